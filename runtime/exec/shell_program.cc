#include "exec/shell_program.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace glovebox {
namespace {

constexpr char kStarter[] =
    R"(if command -v bash >/dev/null 2>&1; then exec bash -c "$1" bash; fi; exec sh -c "$2" sh)";

// `set -x` and `set -e` are the command's: the loop keeps its own lines out of the trace, and an
// option that ends the shell does so with the status that the command had. An interrupt between the
// last byte of a command and its first line is that command's: it is not run.
constexpr char kBashLoop[] = R"loop(exec 200<&9 9<&-
shopt -s expand_aliases
_glovebox_status=0 _glovebox_trace= _glovebox_busy= _glovebox_interrupted=
_glovebox_lines= _glovebox_bytes= _glovebox_script=
_glovebox_return() { return "$1"; }
trap 'if [[ $_glovebox_busy ]]; then
  _glovebox_interrupted=1
  if ((${#FUNCNAME[@]} == 0)); then break 1000; fi
  shopt -s extdebug
  trap "if ((\${#FUNCNAME[@]})); then _glovebox_return 2
    elif [[ \$_glovebox_busy ]]; then _glovebox_busy=; ! break 1000; fi" DEBUG
elif [[ $_glovebox_bytes ]]; then _glovebox_interrupted=1; fi' INT
_glovebox_loop='
while { IFS=" " command read -r -u 200 _glovebox_lines _glovebox_bytes &&
    IFS= LC_ALL=C command read -r -N "$_glovebox_bytes" -u 200 _glovebox_script; } 2>/dev/null; do
  _glovebox_busy=1
  case $- in *e*) ;; *) _glovebox_return "$_glovebox_status" ;; esac
  command eval "${_glovebox_interrupted:+break
}$_glovebox_trace$_glovebox_script" 200>&-
  { _glovebox_status=$? _glovebox_trace= _glovebox_busy= _glovebox_bytes= _glovebox_interrupted=
    case $- in *x*) _glovebox_trace="set -x;"; set +x ;; esac
    command printf "%d\n" "$_glovebox_status" >&200; } 2>/dev/null
done
if [[ $_glovebox_interrupted ]]; then
  { _glovebox_busy= _glovebox_bytes= _glovebox_interrupted= _glovebox_status=130 _glovebox_trace=
    trap - DEBUG
    shopt -u extdebug
    case $- in *x*) _glovebox_trace="set -x;"; set +x ;; esac
    command printf "130\n" >&200; } 2>/dev/null
  command eval "$_glovebox_loop"
fi'
command eval "$_glovebox_loop"
)loop";

// `read` of a plain sh takes one line at a time; parts keep the joining of many from being
// quadratic. An interrupt ends such a `read`: one amid a command ends the shell, for its rest would
// be taken for the next one.
constexpr char kShLoop[] =
    R"loop(_glovebox_status=0 _glovebox_trace= _glovebox_busy= _glovebox_interrupted=
_glovebox_idle= _glovebox_lines=
_glovebox_return() { return "$1"; }
trap 'if [ -n "$_glovebox_busy" ]; then _glovebox_interrupted=1; break 1000
  elif [ -n "$_glovebox_lines" ]; then _glovebox_interrupted=1
  else _glovebox_idle=1; fi' INT
_glovebox_read() {
  _glovebox_script=
  while [ "$_glovebox_lines" -gt 0 ]; do
    _glovebox_part= _glovebox_count=0
    while [ "$_glovebox_count" -lt 200 ] && [ "$_glovebox_lines" -gt 0 ]; do
      IFS= command read -r _glovebox_line <&9 || return 1
      _glovebox_part="$_glovebox_part$_glovebox_line
"
      _glovebox_count=$((_glovebox_count + 1)) _glovebox_lines=$((_glovebox_lines - 1))
    done
    _glovebox_script="$_glovebox_script$_glovebox_part"
  done
}
_glovebox_loop='
while { IFS=" " command read -r _glovebox_lines _glovebox_bytes <&9 &&
    _glovebox_read; } 2>/dev/null; do
  _glovebox_busy=1
  case $- in *e*) ;; *) _glovebox_return "$_glovebox_status" ;; esac
  command eval "${_glovebox_interrupted:+break
}$_glovebox_trace$_glovebox_script" 9>&-
  { _glovebox_status=$? _glovebox_trace= _glovebox_busy= _glovebox_lines= _glovebox_interrupted=
    case $- in *x*) _glovebox_trace="set -x;"; set +x ;; esac
    command printf "%d\n" "$_glovebox_status" >&9; } 2>/dev/null
done
if [ "$_glovebox_idle$_glovebox_lines" = 1 ]; then
  _glovebox_idle=
  command eval "$_glovebox_loop"
elif [ "$_glovebox_interrupted$_glovebox_busy" = 11 ]; then
  { _glovebox_busy= _glovebox_lines= _glovebox_interrupted= _glovebox_status=130 _glovebox_trace=
    case $- in *x*) _glovebox_trace="set -x;"; set +x ;; esac
    command printf "130\n" >&9; } 2>/dev/null
  command eval "$_glovebox_loop"
fi'
command eval "$_glovebox_loop"
)loop";

constexpr uint64_t kFnvOffset = 14695981039346656037u;
constexpr uint64_t kFnvPrime = 1099511628211u;

}  // namespace

std::vector<std::string> ShellArguments() {
  return {"sh", "-c", kStarter, "sh", kBashLoop, kShLoop};
}

std::string EncodeShellInput(absl::string_view script) {
  const auto lines = std::count(script.begin(), script.end(), '\n') + 1;
  return absl::StrCat(lines, " ", script.size() + 1, "\n", script, "\n");
}

uint64_t ShellFingerprint(const ShellCommand& command) {
  // FNV-1a. Who makes two commands meet deceives nobody else.
  uint64_t hash = kFnvOffset;
  for (const char c : absl::StrCat(command.reader, command.wall_limit_ms, " ",
                                   command.term_grace_ms, " ", command.script)) {
    hash = (hash ^ static_cast<unsigned char>(c)) * kFnvPrime;
  }
  return hash;
}

}  // namespace glovebox
