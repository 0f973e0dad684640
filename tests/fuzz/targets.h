// Every parser of bytes that others wrote, as a function of those bytes. A target ends the process
// (Demand, a sanitizer) when the parser breaks a promise, and returns otherwise. One process runs
// one target on one thread.
#ifndef GLOVEBOX_TESTS_FUZZ_TARGETS_H_
#define GLOVEBOX_TESTS_FUZZ_TARGETS_H_

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace glovebox {

// Written by a payload, or by a sandbox's init that it took over.
void FuzzAdoptedExec(absl::string_view input);
void FuzzInitFrame(absl::string_view input);
void FuzzOutputRegion(absl::string_view input);
void FuzzUpperScan(absl::string_view input);
void FuzzBundleHeader(absl::string_view input);
void FuzzTextHunks(absl::string_view input);
void FuzzIgnoreRules(absl::string_view input);
void FuzzTarUnpack(absl::string_view input);
void FuzzOciDocument(absl::string_view input);
void FuzzTreeMessage(absl::string_view input);
void FuzzTreeUnpack(absl::string_view input);
void FuzzImportOutput(absl::string_view input);
void FuzzSeccompCall(absl::string_view input);
void FuzzFilesAnswer(absl::string_view input);
void FuzzClientHello(absl::string_view input);
void FuzzDnsQuery(absl::string_view input);
void FuzzProxyRequest(absl::string_view input);
void FuzzListeningSockets(absl::string_view input);

// Written by a client of the daemon, or by who runs it.
void FuzzRequest(absl::string_view input);
void FuzzText(absl::string_view input);
void FuzzConfig(absl::string_view input);
void FuzzArgument(absl::string_view input);
void FuzzPatch(absl::string_view input);
void FuzzEgressText(absl::string_view input);

// Written by a process of ours that a stranger took over: glovebox-egress, glovebox-front.
void FuzzEgressMessage(absl::string_view input);
void FuzzFrontMessage(absl::string_view input);

// Read back from disk, or passed between our own processes.
void FuzzEgressPolicy(absl::string_view input);
void FuzzExecArchive(absl::string_view input);
void FuzzExecRecord(absl::string_view input);
void FuzzJournalRecord(absl::string_view input);
void FuzzStateRow(absl::string_view input);
void FuzzStoreRecord(absl::string_view input);
void FuzzLaunchPlan(absl::string_view input);
void FuzzMountTable(absl::string_view input);

struct FuzzTarget {
  const char* name;  // also of its folder in tests/fuzz/seeds/
  void (*run)(absl::string_view input);
};
absl::Span<const FuzzTarget> FuzzTargets();

}  // namespace glovebox

#endif  // GLOVEBOX_TESTS_FUZZ_TARGETS_H_
