#include "tests/fuzz/targets.h"

namespace glovebox {

absl::Span<const FuzzTarget> FuzzTargets() {
  static constexpr FuzzTarget kTargets[] = {
      {"adopted_exec", FuzzAdoptedExec},
      {"argument", FuzzArgument},
      {"bundle_header", FuzzBundleHeader},
      {"client_hello", FuzzClientHello},
      {"config", FuzzConfig},
      {"dns_query", FuzzDnsQuery},
      {"egress_message", FuzzEgressMessage},
      {"egress_policy", FuzzEgressPolicy},
      {"egress_text", FuzzEgressText},
      {"exec_archive", FuzzExecArchive},
      {"exec_record", FuzzExecRecord},
      {"files_answer", FuzzFilesAnswer},
      {"front_message", FuzzFrontMessage},
      {"ignore_rules", FuzzIgnoreRules},
      {"import_output", FuzzImportOutput},
      {"init_frame", FuzzInitFrame},
      {"journal_record", FuzzJournalRecord},
      {"launch_plan", FuzzLaunchPlan},
      {"listening_sockets", FuzzListeningSockets},
      {"mount_table", FuzzMountTable},
      {"oci_document", FuzzOciDocument},
      {"output_region", FuzzOutputRegion},
      {"patch", FuzzPatch},
      {"proxy_request", FuzzProxyRequest},
      {"request", FuzzRequest},
      {"seccomp_call", FuzzSeccompCall},
      {"state_row", FuzzStateRow},
      {"store_record", FuzzStoreRecord},
      {"tar_unpack", FuzzTarUnpack},
      {"text", FuzzText},
      {"text_hunks", FuzzTextHunks},
      {"tree_message", FuzzTreeMessage},
      {"tree_unpack", FuzzTreeUnpack},
      {"upper_scan", FuzzUpperScan},
  };
  return kTargets;
}

}  // namespace glovebox
