// How every script begins that has git work on what others wrote, in a worker sandbox. Internal to
// git_script.h and git_work_script.h.
#ifndef GLOVEBOX_SNAPSHOT_GIT_SETTINGS_H_
#define GLOVEBOX_SNAPSHOT_GIT_SETTINGS_H_

namespace glovebox {

// Everything git would run or read because a repository or a user says so is off. GIT_CONFIG_GLOBAL
// holds the settings, and not -c, because the upload-pack that clone starts drops -c but keeps
// this; a script appends what it needs besides. `fail CODE WORDS` ends the script. Without git it
// ends with 20, when the settings cannot be written with 24.
inline constexpr char kGitSettings[] = R"sh(
set -u
umask 022
fail() { echo "fatal: $2" >&2; exit "$1"; }
command -v git >/dev/null || exit 20
cat >"$GIT_CONFIG_GLOBAL" <<'CONFIG' || exit 24
[safe]
  directory = *
[core]
  hooksPath = /dev/null
  fsmonitor = false
  attributesFile = /dev/null
  excludesFile = /dev/null
  logAllRefUpdates = false
  fsync = none
[protocol]
  allow = never
[protocol "file"]
  allow = always
[submodule]
  recurse = false
[fetch]
  unpackLimit = 1
[gc]
  auto = 0
[maintenance]
  auto = false
CONFIG
)sh";

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_GIT_SETTINGS_H_
