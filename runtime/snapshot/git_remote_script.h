// The part of the import's script (git_script.h) that fetches over the network. Internal to
// git_import.cc and its tests.
#ifndef GLOVEBOX_SNAPSHOT_GIT_REMOTE_SCRIPT_H_
#define GLOVEBOX_SNAPSHOT_GIT_REMOTE_SCRIPT_H_

namespace glovebox {

// Of a URL, which the daemon has checked, with GIT_ALLOW_PROTOCOL set to its scheme alone: sets
// repo, and commit and branch of what is in it. What the server says is not believed: a name that
// it gives is a string to compare, and the branch that becomes HEAD is one that git takes.
//
// First all refs are asked for: what is known by one of them is not fetched. A commit that none of
// them is, is asked for by its id, which not every server answers. A server that is silent for five
// minutes has broken off.
inline constexpr char kGitImportRemote[] = R"sh(
cat >>"$GIT_CONFIG_GLOBAL" <<'CONFIG' || exit 24
[http]
  followRedirects = initial
  lowSpeedLimit = 1
  lowSpeedTime = 300
[fetch]
  recurseSubmodules = false
[credential]
  helper =
[advice]
  fetchShowForcedUpdates = false
CONFIG
refs=$HOME/.import-refs
tab=$(printf '\t')

# The id of the server's ref $1, or nothing.
tip() {
  grep -a -F -e "$tab$1" "$refs" | while IFS=$tab read -r id name; do
    case $id in ref:*) continue ;; esac
    [ "$name" != "$1" ] || { printf '%s\n' "$id"; break; }
  done
}

# Sets commit, branch and ref from $rev by the server's refs; commit is empty when none is it. A whole
# id is never taken for the name of a ref: the server would choose what it means.
resolve_refs() {
  branch= commit= ref=
  [ -z "$whole_id" ] || return
  case $rev in
    HEAD)
      ref=HEAD commit=$(tip HEAD)
      [ -n "$commit" ] || fail 22 "the server names no HEAD"
      branch=$(grep -a '^ref: refs/heads/' "$refs" | while IFS=$tab read -r target name; do
        [ "$name" != HEAD ] || { printf '%s\n' "${target#ref: refs/heads/}"; break; }
      done)
      if [ -z "$branch" ] || ! git check-ref-format "refs/heads/$branch" ||
        [ "$(tip "refs/heads/$branch")" != "$commit" ]; then branch=; fi
      return ;;
  esac
  for ref in "refs/heads/$rev" "$rev" "refs/$rev" "refs/tags/$rev"; do
    case $ref in refs/*) ;; *) continue ;; esac
    git check-ref-format "$ref" || continue
    commit=$(tip "$ref^{}")
    [ -n "$commit" ] || commit=$(tip "$ref")
    [ -n "$commit" ] || continue
    case $ref in refs/heads/*) branch=${ref#refs/heads/} ;; esac
    return
  done
  ref=
}

fetch() {
  git --git-dir="$repo" fetch --progress --force --no-tags --update-head-ok --no-write-fetch-head \
    --no-show-forced-updates "$@"
}

# One commit by its id, or by the ref that it was found by.
fetch_one() {
  fetch "$@" "$src" "$want" && return
  [ -n "$ref" ] || exit 26
  fetch "$@" "$src" "$ref" || exit 25
}

# Of the heads and tags that were fetched; others may have come meanwhile.
settle_commit() {
  if [ -n "$branch" ]; then
    commit=$(git --git-dir="$repo" rev-parse -q --verify "refs/heads/$branch^{commit}") ||
      fail 22 "the branch has gone meanwhile"
    return
  fi
  want=${commit:-$rev}
  if ! git --git-dir="$repo" cat-file -e "$want^{commit}" 2>/dev/null; then
    [ -n "$commit$whole_id" ] || fail 22 "no branch or tag reaches such a commit"
    fetch_one
  fi
  commit=$(git --git-dir="$repo" rev-parse -q --verify "$want^{commit}") || fail 22 "no commit"
}

fetch_alone() {
  want=${commit:-$rev}
  fetch_one --depth=1
  commit=$(git --git-dir="$repo" rev-parse -q --verify "$want^{commit}") || fail 22 "no commit"
  [ -z "$branch" ] || git --git-dir="$repo" update-ref "refs/heads/$branch" "$commit" || exit 24
}

git ls-remote --symref -- "$src" >"$refs" || exit 25
if grep -a -q "^[0-9a-f]\{41\}" "$refs"; then fail 23 "the repository uses other than sha1 names"; fi
case $rev in *[!0-9a-f]*) whole_id= ;; *) [ ${#rev} -eq 40 ] && whole_id=$rev || whole_id= ;; esac
resolve_refs
if [ -n "$commit" ]; then
  for known; do
    # Nobody asks for the tree of what is known.
    [ "$known" != "$commit $branch" ] || {
      printf 'known\n%s\n%s\n%s\n' "$commit" "$commit" "$branch"
      exit 0
    }
  done
elif [ -z "$whole_id" ]; then
  case $rev in *[!0-9a-f]*|?|??|???) fail 22 "no branch or tag has this name" ;; esac
  if [ "$history" != full ]; then
    commit=$(grep -a "^$rev" "$refs" | cut -c 1-40 | sort -u)
    [ ${#commit} -eq 40 ] || fail 22 "a server finds a short id only among its branches and tags"
  fi
fi

phase copying
repo=$dst/.git
if [ -n "$base" ]; then
  [ ! -e "$repo/shallow" ] || exit 30
  fetch --prune "$src" '+refs/heads/*:refs/heads/*' '+refs/tags/*:refs/tags/*' || exit 30
  settle_commit
  git --git-dir="$repo" pack-refs --all || exit 30
  require_same_attributes
else
  mkdir "$dst" || exit 24
  [ "$history" != none ] || repo=$HOME/.import-commit
  git init -q --bare --template= "$repo" || exit 24
  if [ "$history" = full ]; then
    fetch --update-shallow "$src" '+refs/heads/*:refs/heads/*' '+refs/tags/*:refs/tags/*' || exit 25
    settle_commit
  else
    fetch_alone
  fi
  git --git-dir="$repo" pack-refs --all || exit 24
fi
report_if_known "$repo" "$@"
)sh";

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_GIT_REMOTE_SCRIPT_H_
