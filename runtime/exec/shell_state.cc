#include "exec/shell_state.h"

#include <atomic>
#include <cstring>

namespace glovebox {
namespace {

// A hostile writer could change the words for ever.
constexpr int kTriesMax = 1000;
// No command has such a number or sequence.
constexpr uint64_t kCountMax = uint64_t{1} << 62;

}  // namespace

std::optional<CommandResult> ReadCommandEnd(const CommandEndedRecord& record) {
  const bool known = record.cause == CommandCause::kExited ||
                     record.cause == CommandCause::kTimedOut ||
                     record.cause == CommandCause::kShellEnded;
  if (!known || record.exit_code < -1 || record.exit_code > 255 || record.signal < 0 ||
      record.signal > 64 || record.shell_ended > 1 || record.number == 0 ||
      record.number > kCountMax) {
    return std::nullopt;
  }
  CommandResult result;
  result.number = record.number;
  result.cause = record.cause;
  if (record.signal > 0) {
    result.signal = record.signal;
  } else if (record.exit_code >= 0) {
    result.exit_code = record.exit_code;
  }
  result.shell_ended = record.shell_ended != 0;
  return result;
}

std::optional<CommandResult> ReadCommandEnd(absl::string_view record_bytes) {
  CommandEndedRecord record;
  if (record_bytes.size() != sizeof record) return std::nullopt;
  std::memcpy(&record, record_bytes.data(), sizeof record);
  return ReadCommandEnd(record);
}

std::optional<uint64_t> ReadCommandStart(absl::string_view record_bytes) {
  CommandStartedRecord record;
  if (record_bytes.size() != sizeof record) return std::nullopt;
  std::memcpy(&record, record_bytes.data(), sizeof record);
  if (record.number == 0 || record.number > kCountMax) return std::nullopt;
  return record.number;
}

ShellState ReadShellState(const ShellWords& words) {
  for (int tries = 0; tries < kTriesMax; ++tries) {
    const uint32_t version = words.version.load(std::memory_order_acquire);
    if ((version & 1) != 0) continue;
    ShellState state;
    state.running = words.running == 1;
    state.number = words.number;
    state.fingerprint = words.fingerprint;
    state.started_sequence = words.started_sequence;
    state.ended_sequence = words.ended_sequence;
    const CommandEndedRecord end = words.end;
    std::atomic_thread_fence(std::memory_order_acquire);
    if (words.version.load(std::memory_order_relaxed) != version) continue;
    if (state.number == 0) return {};
    if (state.number > kCountMax || state.started_sequence > kCountMax ||
        state.ended_sequence > kCountMax) {
      return {};
    }
    if (!state.running) state.end = ReadCommandEnd(end);
    return state;
  }
  return {};
}

}  // namespace glovebox
