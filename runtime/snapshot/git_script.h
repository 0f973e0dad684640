// The scripts that a worker sandbox runs to import a repository: kGitSettings, kGitImportBegin,
// kGitImportLocal or git_remote_script.h's kGitImportRemote, kGitImportEnd. Internal to
// git_import.cc and its tests.
#ifndef GLOVEBOX_SNAPSHOT_GIT_SCRIPT_H_
#define GLOVEBOX_SNAPSHOT_GIT_SCRIPT_H_

namespace glovebox {

// How the script ends when it does not succeed.
enum GitScriptExit {
  kGitMissing = 20,
  kGitNotARepository = 21,
  kGitNoSuchCommit = 22,
  kGitUnsupported = 23,
  kGitFailed = 24,
  kGitRemoteFailed = 25,  // the host, or the way to it
  kGitNotGiven = 26,      // the host gives no such commit by its id
  kGitNoDelta = 30,       // it cannot be imported over the base; whole it may
};

// Arguments: source, revision, destination (made by the script), "full", "shallow" or "none", the
// commit that is checked out in the destination already or "", then "COMMIT BRANCH" for every
// snapshot of this source and history in the store. On success stdout is four lines: "known"
// (nothing was copied) or "imported", commit, tree, branch (empty when HEAD is detached).
//
// Source and destination are always given as --git-dir, so nothing is searched for.
inline constexpr char kGitImportBegin[] = R"sh(
src=$1 rev=$2 dst=$3 history=$4 base=$5
shift 5
phase() { echo "glovebox-phase $1" >&2; }

cat >>"$GIT_CONFIG_GLOBAL" <<'CONFIG' || exit 24
[advice]
  detachedHead = false
CONFIG

# Sets commit and branch from $rev in the repository $1.
resolve() {
  branch=
  case $rev in
    HEAD) branch=$(git --git-dir="$1" symbolic-ref -q HEAD) && name=$branch || name=HEAD ;;
    *)
      name=$rev
      git --git-dir="$1" show-ref -q --verify "refs/heads/$rev" && name=refs/heads/$rev
      case $name in refs/heads/*) branch=$name ;; esac ;;
  esac
  branch=${branch#refs/heads/}
  if commit=$(git --git-dir="$1" rev-parse -q --verify "$name^{commit}"); then return; fi
  object=$(git --git-dir="$1" rev-parse -q --verify "$name") || fail 22 "no such revision"
  why=$(git --git-dir="$1" cat-file -t "$object" 2>&1)
  case $why in
    *corrupt*|*'is empty'*|*inflate*|*'unable to'*|commit|tag)
      git --git-dir="$1" cat-file -p "$object" >/dev/null
      fail 24 "object $object cannot be read" ;;
  esac
  fail 22 "no such commit"
}

report() {
  tree=$(git --git-dir="$2" rev-parse -q --verify "$commit^{tree}") || exit 24
  printf '%s\n%s\n%s\n%s\n' "$1" "$commit" "$tree" "$branch"
  exit 0
}

# Else the same blob may be checked out differently from how the base has it.
require_same_attributes() {
  attributes=$(git --git-dir="$repo" diff-tree -r --name-only "$base" "$commit" \
    -- ':(glob)**/.gitattributes') || exit 30
  [ -z "$attributes" ] || exit 30
}

report_if_known() {
  directory=$1
  shift
  for known; do
    [ "$known" = "$commit $branch" ] && report known "$directory"
  done
}
)sh";

// Of a path: sets repo, and commit and branch of what is in it.
inline constexpr char kGitImportLocal[] = R"sh(
cat >>"$GIT_CONFIG_GLOBAL" <<'CONFIG' || exit 24
[uploadpack]
  allowAnySHA1InWant = true
CONFIG

if [ -f "$src" ]; then
  from=$src
elif [ -d "$src/.git" ]; then
  from=$src/.git
elif [ -f "$src/.git" ]; then
  fail 23 "the directory is a linked worktree or a submodule; import the main repository"
elif [ -f "$src/HEAD" ] && [ -d "$src/objects" ]; then
  from=$src
else
  fail 21 "neither a git repository nor a bundle"
fi

if [ -d "$from" ]; then
  [ -e "$from/objects/info/alternates" ] &&
    fail 23 "the repository borrows objects of another (objects/info/alternates); repack it with 'git repack -a -d' and remove that file"
  format=$(git --git-dir="$from" rev-parse --show-object-format) || exit 24
  [ "$format" = sha1 ] || fail 23 "the repository uses $format object names"
  resolve "$from"
  report_if_known "$from" "$@"
else
  git bundle list-heads "$from" >/dev/null || fail 21 "neither a git repository nor a bundle"
fi

# The base has what the source had then: only what is new travels, and refs become what a whole
# import makes of them. Where the same blob may be checked out differently, or history ends early, the
# base is of no use.
fetch_over_base() {
  [ ! -e "$repo/shallow" ] || exit 30
  [ "$(git --git-dir="$from" rev-parse --is-shallow-repository)" = false ] || exit 30
  alone=
  [ -n "$branch" ] || alone=$commit
  git --git-dir="$repo" fetch --progress --prune --force --no-tags --update-head-ok \
    --no-write-fetch-head --no-show-forced-updates "$from" \
    '+refs/heads/*:refs/heads/*' '+refs/tags/*:refs/tags/*' $alone || exit 30
  git --git-dir="$repo" pack-refs --all || exit 30
  require_same_attributes
}

fetch_commit() {
  git init -q --bare --template= "$repo" || exit 24
  git --git-dir="$repo" fetch --progress --depth=1 --no-tags --no-write-fetch-head "$1" "$commit" ||
    exit 24
  [ -z "$branch" ] || git --git-dir="$repo" update-ref "refs/heads/$branch" "$commit" || exit 24
  git --git-dir="$repo" pack-refs --all || exit 24
}

phase copying
repo=$dst/.git
if [ -n "$base" ]; then
  fetch_over_base
else
  mkdir "$dst" || exit 24
  whole=$repo
  [ "$history" = full ] || whole=$HOME/.import-whole
  if [ "$history" = full ] || [ -f "$from" ]; then
    git clone --bare --local --no-hardlinks --template= --progress "$from" "$whole" || exit 24
  fi
  if [ -f "$from" ]; then
    resolve "$whole"
    report_if_known "$whole" "$@"
    from=$whole
  fi
  [ "$history" != none ] || repo=$HOME/.import-commit
  [ "$history" = full ] || fetch_commit "$from"
fi
)sh";

// Checks commit out of repo to dst, and says what was imported.
inline constexpr char kGitImportEnd[] = R"sh(
git --git-dir="$repo" cat-file -e "$commit" || fail 24 "commit $commit was not copied"
rm -rf "$repo/hooks" "$repo/logs" "$repo/branches" "$repo/description" "$repo/info" \
  "$repo/FETCH_HEAD" "$repo/ORIG_HEAD"
printf '[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n' >"$repo/config" ||
  exit 24
if [ -n "$branch" ]; then
  git --git-dir="$repo" symbolic-ref HEAD "refs/heads/$branch" || exit 24
else
  git --git-dir="$repo" update-ref --no-deref HEAD "$commit" || exit 24
fi

phase checking-out
cd "$dst" || exit 24
younger=0
if [ -n "$base" ]; then
  younger=$(stat -c %Y "$repo/index") || exit 30
  begin=$HOME/.import-begin
  : >"$begin" || exit 30
  # What is written from here on must be younger: times of files have the grain of the clock's tick.
  until [ "$begin-next" -nt "$begin" ]; do : >"$begin-next" || exit 30; done
  git --git-dir="$repo" --work-tree="$dst" read-tree --reset -u -v "$commit" || exit 30
else
  git --git-dir="$repo" --work-tree="$dst" checkout --force --progress || exit 24
fi

# One time for all files that were written, and an index that is younger than any: git then takes an
# entry whose times match for clean without reading the file. It compares seconds: a file that a
# sandbox writes must never have the second of the one before, so that is past. Years after 2100 and
# before 1970 are not kept.
phase indexing
time=$(git --git-dir="$repo" show -s --no-show-signature --format=%ct "$commit") || exit 24
case $time in ''|*[!0-9]*|???????????*) time=1 ;; esac
[ "$time" -ge 1 ] && [ "$time" -lt 4102444800 ] || time=1
past=$(($(date +%s) - 2))
[ "$time" -le "$past" ] || time=$past
if [ -n "$base" ]; then
  find . -path ./.git -prune -o ! -type d -newer "$begin" -print0
else
  find . -path ./.git -prune -o -print0
fi | xargs -0 -r touch -h -d "@$time" || exit 24
git --git-dir="$repo" --work-tree="$dst" update-index -q --refresh || exit 24
[ "$younger" -gt "$((time + 2))" ] || younger=$((time + 2))
touch -d "@$younger" "$repo/index" || exit 24
report imported "$repo"
)sh";

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_GIT_SCRIPT_H_
