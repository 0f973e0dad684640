// The JSON that scripts read; docs/cli.md describes it. Pure.
//
// Names are the proto's. A field that the daemon did not set is null; enums are lower_snake_case
// without their prefix; times are RFC 3339 in UTC; sizes and counts are numbers. Bytes are a string
// under their name when they are valid UTF-8, otherwise base64 under the name with "_base64".
#ifndef GLOVEBOX_TOOLS_JSON_SHAPES_H_
#define GLOVEBOX_TOOLS_JSON_SHAPES_H_

#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/string_view.h"
#include "glovebox/v1/change.pb.h"
#include "glovebox/v1/exec.pb.h"
#include "glovebox/v1/network.pb.h"
#include "glovebox/v1/node.pb.h"
#include "glovebox/v1/sandbox.pb.h"
#include "glovebox/v1/snapshot.pb.h"

namespace glovebox {

using Json = nlohmann::ordered_json;

Json SandboxJson(const v1::Sandbox& sandbox);
Json LimitsJson(const v1::SandboxLimits& limits);
Json ExecJson(const v1::Exec& exec);
Json EndJson(const v1::End& end);
Json CommandEndedJson(const v1::CommandEnded& end);
Json FrameJson(const v1::Frame& frame);
Json ChangeJson(const v1::Change& change);
Json DiffSummaryJson(const v1::DiffSummary& summary);
Json CompareJson(const v1::CompareSandboxesResponse& response);
Json CommitJson(const v1::CommitChangesResponse& response);
Json CheckpointJson(const v1::Checkpoint& checkpoint);
Json CacheJson(const v1::Cache& cache);
Json ImageJson(const v1::Image& image);
Json SnapshotJson(const v1::Snapshot& snapshot);
Json EgressJson(const v1::EgressPolicy& policy);
Json SecretJson(const v1::Secret& secret);
Json ConnectionJson(const v1::ConnectionRecord& record);
Json CapabilityJson(const v1::Capability& capability);
Json NodeJson(const v1::Node& node);

// object[name] or object[name + "_base64"].
void PutBytes(Json& object, const std::string& name, const std::string& bytes);

// Strict: no surrogates, no overlong forms.
bool IsValidUtf8(absl::string_view bytes);

// "SANDBOX_STATE_RUNNING" without "SANDBOX_STATE_" in lower case.
std::string EnumWord(absl::string_view name, absl::string_view prefix);

// The letter of git for a kind of change, '?' for one of a newer daemon.
char ChangeLetter(v1::ChangeKind kind);

// "2026-01-31T12:00:00Z", or "" when the time is not set.
std::string TimeText(const google::protobuf::Timestamp& time);

// ASCII only, so that it is safe for any terminal; indented and ending with a newline, or on one
// line.
std::string Pretty(const Json& json);
std::string OneLine(const Json& json);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_JSON_SHAPES_H_
