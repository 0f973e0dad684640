// A stored journal, and cursors that clients hold.
#include "changes/journal_cursor.h"
#include "changes/journal_record.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/targets.h"

namespace glovebox {

void FuzzJournalRecord(absl::string_view bytes) {
  if (const auto point = DecodeCursor("subject", bytes); point.ok()) {
    Demand(*DecodeCursor("subject", EncodeCursor("subject", *point)) == *point,
           "a cursor is read as it was written");
  }
  (void)DecodeHead(bytes);  // any answer will do
  absl::string_view left = bytes;
  while (TakeRecord(&left).has_value()) {
  }
  auto batch = DecodeBatch(bytes);
  if (!batch.has_value() || batch->sequence == 0 || batch->items.empty()) return;
  JournalHistory history;
  for (JournalBatch::Item& item : batch->items) {
    history.Restore(std::move(item.path), batch->sequence, item.as_base);
  }
  history.SetLatest(batch->sequence);
  const size_t changes = history.Between(0, batch->sequence).size();
  Demand(changes <= 2 * history.paths().size(), "a path has two changes at most");
  for (const std::string& record : EncodeHistory(history)) {
    Demand(DecodeBatch(record).has_value(), "what was read is written so that it can be read");
  }
}

}  // namespace glovebox
