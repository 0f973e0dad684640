// The scripts that a worker sandbox runs to commit and to export. Internal to git_work.cc.
//
// Commits are made in a repository of the worker's own, which takes the objects of /workspace/.git
// as its alternates: nothing else of that is read when a sandbox wrote it, not its configuration,
// hooks, attributes, replacements or grafts, and of its references only the one asked for, by hand.
// Of .gitattributes files only what git does by itself has a say (text, eol, ident, encodings): no
// filter is configured.
#ifndef GLOVEBOX_SNAPSHOT_GIT_WORK_SCRIPT_H_
#define GLOVEBOX_SNAPSHOT_GIT_WORK_SCRIPT_H_

namespace glovebox {

// How they end when they do not succeed.
enum GitWorkExit {
  kGitWorkNoGit = 20,
  kGitWorkNoRepository = 21,
  kGitWorkNoCommit = 22,
  kGitWorkFailed = 24,
  kGitWorkBranchMoved = 31,  // stdout: where it is
  kGitWorkNothing = 32,
  kGitWorkNoMail = 33,  // stdout: the commit whose message a mail cannot carry
};

// Comes after kGitSettings. Arguments of both: the base commit; "shallow" or another word. Both
// leave $HOME/out.
inline constexpr char kGitWorkBegin[] = R"sh(
cat >>"$GIT_CONFIG_GLOBAL" <<'CONFIG' || exit 24
[core]
  commitGraph = false
  multiPackIndex = false
  safecrlf = false
[pack]
  threads = 2
  useBitmaps = false
CONFIG
base=$1 history=$2
shift 2
objects=/workspace/.git/objects
for part in /workspace /workspace/.git "$objects"; do
  [ -d "$part" ] && [ ! -L "$part" ] || fail 21 "/workspace has no repository of its own"
done
# The worker's own view of it: of what these lead to git would read all, however long, and wait for more.
rm -rf "$objects/info/alternates" "$objects/info/http-alternates" 2>/dev/null
[ ! -e "$objects/info/alternates" ] && [ ! -L "$objects/info/alternates" ] ||
  fail 21 "/workspace/.git borrows objects"
export GIT_DIR="$HOME/work.git" GIT_INDEX_FILE="$HOME/index"
git init -q --bare --template= "$GIT_DIR" || exit 24
mkdir -p "$GIT_DIR/objects/info"
echo "$objects" >"$GIT_DIR/objects/info/alternates" || exit 24
[ "$history" != shallow ] || echo "$base" >"$GIT_DIR/shallow"
[ "$(git cat-file -t "$base" 2>/dev/null)" = commit ] || fail 21 "the base commit is not there"
git update-ref refs/glovebox/base "$base" || exit 24

# $1: what the daemon kept of a branch; its ref comes below refs/kept/$2, alone: not any two
# branches can be side by side.
take_kept() {
  tail -n +5 "$1" >"$HOME/kept.bundle" &&
    git fetch -q --no-write-fetch-head "$HOME/kept.bundle" "+refs/heads/*:refs/kept/$2/*" || exit 24
}
)sh";

// Arguments: branch, tip ("": it is not kept yet), message, then paths, literally. Input:
// /mnt/patch from the base, its paths in /mnt/removed and /mnt/written, each ended by NUL;
// /mnt/kept, if there is a tip. On success stdout is "new" or "same",
// commit, files, added and removed lines of it, a line each.
inline constexpr char kCommitScript[] = R"sh(
branch=$1 tip=$2 message=$3
shift 3
if [ -n "$tip" ]; then
  take_kept /mnt/kept 0
elif there=$(git --git-dir=/workspace/.git rev-parse -q --verify "refs/heads/$branch") &&
  [ "$there" != "$base" ]; then
  echo "$there"
  exit 31
fi
parent=${tip:-$base}
git read-tree "$base" || exit 24
# The patch is of bytes as they are checked out (line ends, $Id$), which are not those of the base's
# blobs: it is applied to the files as they are, and git adds what comes of it.
take_patch() (
  cd /workspace && export GIT_WORK_TREE=/workspace && mkdir -p "$GIT_DIR/info" || exit 24
  echo '* -text !eol -ident !filter !working-tree-encoding' >"$GIT_DIR/info/attributes" || exit 24
  git apply --whitespace=nowarn /mnt/patch && rm "$GIT_DIR/info/attributes" &&
    git update-index -z --force-remove --stdin </mnt/removed &&
    git update-index -z --add --replace --stdin </mnt/written || exit 24
)
[ ! -s /mnt/patch ] || take_patch || exit 24
tree=$(git write-tree) || exit 24
if [ $# -gt 0 ]; then
  git read-tree "$parent" || exit 24
  for path; do
    git ls-files -s -z -- "$path" | sed -z 's/^[0-7]* /0 /' | git update-index -z --index-info &&
      git ls-tree -r -z "$tree" -- "$path" | git update-index -z --index-info || exit 24
  done
  tree=$(git write-tree) || exit 24
fi
make() { printf '%s' "$message" | git commit-tree "$tree" -p "$1"; }
kind=new
if [ "$tree" = "$(git rev-parse "$parent^{tree}")" ]; then
  [ -n "$tip" ] || exit 32
  parent=$(git rev-parse "$tip^") || exit 24
  commit=$(make "$parent") || exit 24
  [ "$commit" = "$tip" ] || exit 32
  kind=same
else
  commit=$(make "$parent") || exit 24
fi
counts=$(git diff-tree -r --numstat --no-renames --no-ext-diff --no-textconv "$parent" "$commit" |
  awk '{ f++; if ($1 != "-") { a += $1; d += $2 } } END { printf "%d\n%d\n%d\n", f, a, d }') || exit 24
git update-ref "refs/heads/$branch" "$commit" &&
  git bundle create -q "$HOME/out" "refs/heads/$branch" "^$base" || exit 24
printf '%s\n%s\n%s\n' "$kind" "$commit" "$counts"
)sh";

// Arguments: "bundle" or "series"; "commit" and its full object name, or "branch" and its name;
// "kept" (input: /mnt/kept-0, which has it, and maybe others) or "inside"; then excluded commits.
// On success stdout is the commit.
inline constexpr char kExportScript[] = R"sh(
format=$1 kind=$2 what=$3 where=$4
shift 4
# Of a repository that a payload wrote: one line of a regular file.
read_reference() {
  file=/workspace/.git/refs/heads/$1
  if [ -f "$file" ] && [ ! -L "$file" ]; then
    head -c 40 "$file"
  elif [ -f /workspace/.git/packed-refs ] && [ ! -L /workspace/.git/packed-refs ]; then
    head -c 100000000 /workspace/.git/packed-refs |
      awk -v name="refs/heads/$1" '$2 == name { print $1; exit }'
  fi
}
if [ "$where" = kept ]; then
  for kept in /mnt/kept-*; do take_kept "$kept" "${kept#/mnt/kept-}"; done
fi
if [ "$kind" = commit ]; then
  name=HEAD commit=$what
else
  name=refs/heads/$what
  if [ "$where" = kept ]; then
    commit=$(git rev-parse -q --verify "refs/kept/0/$what")
  else
    commit=$(read_reference "$what" | tr -d '\0')
  fi
fi
case $commit in *[!0-9a-f]*|'') fail 22 "no such commit" ;; esac
[ ${#commit} = 40 ] || fail 22 "no such commit"
for one in "$commit" "$@"; do
  [ "$(git cat-file -t "$one" 2>/dev/null)" = commit ] || fail 22 "no commit $one"
done
[ $# -gt 0 ] || set -- "$base"
first=$(git rev-list -n 1 "$commit" --not "$@") || exit 24
[ -n "$first" ] || exit 32
# What git am takes for the end of a mail or of its message, or for one of its headers. A message's
# first paragraph is the subject; the rest is indented here, to tell it from the names of commits.
no_mail=$(
  [ "$format" = bundle ] ||
    git log --no-merges --format='%H%n%w(0,1,1)%b' "$commit" --not "$@" | awk '
      /^[0-9a-f]/ { commit = $0; first = 1; next }
      /^[ \t\r]*$/ { next }
      { head = first; first = 0; bad = 0 }
      /^ (diff -|Index: |--- [^ \t\r]|---[ \t\r]*$)/ { bad = 1 }
      /^ From / && (length($2) == 40 && $2 ~ /^[0-9a-f]+$/ || /[0-9]:[0-9][0-9]/) { bad = 1 }
      head && tolower($0) ~ /^ (from|subject|date|message-id|content-[a-z-]*):/ { bad = 1 }
      head && tolower($0) ~ /^ (>from |\[patch\])/ { bad = 1 }
      bad { print commit; exit }'
) || exit 24
if [ -n "$no_mail" ]; then
  echo "$no_mail"
  exit 33
fi
if [ "$format" = series ]; then
  git format-patch --stdout --binary --full-index --no-renames --no-ext-diff --no-textconv \
    --no-signature "$commit" --not "$@" >"$HOME/out" || exit 24
else
  if [ "$name" = HEAD ]; then
    echo "$commit" >"$GIT_DIR/HEAD" || exit 24
  else
    git update-ref "$name" "$commit" || exit 24
  fi
  git bundle create -q "$HOME/out" "$name" --not "$@" || exit 24
fi
echo "$commit"
)sh";

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_GIT_WORK_SCRIPT_H_
