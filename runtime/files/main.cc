// glovebox-files: works on files inside a sandbox, as its user; see protocol.h.
//
// The daemon has init execute it from a descriptor that the user may execute and not read, so the
// kernel makes the process undumpable at its first instruction: nobody in the sandbox can trace it,
// read or write its memory or take its descriptors, whoever may kill it.
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "base/status.h"
#include "files/call.h"
#include "files/protocol.h"

namespace glovebox {
namespace {

using Operation = absl::Status (*)(FilesCall*);

struct NamedOperation {
  const char* name;
  Operation run;
};

constexpr NamedOperation kOperations[] = {
    {kFilesRead, ReadFileCall},      {kFilesWrite, WriteFileCall},
    {kFilesEdit, EditFileCall},      {kFilesStat, StatFileCall},
    {kFilesList, ListDirectoryCall}, {kFilesMakeDirectory, MakeDirectoryCall},
    {kFilesMove, MoveCall},          {kFilesRemove, RemoveCall},
    {kFilesApply, ApplyPatchCall},   {kFilesOwners, FindOwnersCall},
    {kFilesUndo, UndoCall},          {kFilesFinish, FinishCall},
};

bool IsToken(const char* text) {
  const size_t size = std::strlen(text);
  return size > 0 && size <= 64 && std::strspn(text, "0123456789abcdef") == size;
}

int Main(int argc, char** argv) {
  constexpr int kWrongUse = 2;
  if (argc != 5 || std::strcmp(argv[1], kFilesVersion) != 0 || !IsToken(argv[3])) return kWrongUse;
  // Errors are told by the calls that meet them. These signals can be ignored: it does not fail.
  (void)::signal(SIGPIPE, SIG_IGN);
  (void)::signal(SIGXFSZ, SIG_IGN);
  ::umask(022);
  for (const NamedOperation& operation : kOperations) {
    if (std::strcmp(argv[2], operation.name) != 0) continue;
    FilesCall call(STDIN_FILENO, STDOUT_FILENO, argv[3], argv[4]);
    const absl::Status status = operation.run(&call);
    if (status.ok()) return 0;
    return call.Write(FilesFrameKind::kFailed, EncodeFailure(status)).ok() ? 0 : 1;
  }
  return kWrongUse;
}

}  // namespace
}  // namespace glovebox

int main(int argc, char** argv) { return glovebox::Main(argc, argv); }
