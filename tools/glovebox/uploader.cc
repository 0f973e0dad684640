#include "tools/glovebox/uploader.h"

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "glovebox/v1/snapshot.pb.h"
#include "tools/glovebox/reconnect.h"

namespace glovebox {
namespace {

constexpr size_t kDigestsMax = 10'000;             // of a FindMissingBlobs
constexpr size_t kSmallBytes = size_t{256} << 10;  // goes with others in one message
constexpr size_t kBatchBytes = size_t{3} << 20;    // of the 4 MiB of a message
constexpr size_t kBatchBlobs = 4'000;
constexpr size_t kEntryBytes = 128;  // a blob's own share of a message
constexpr size_t kPieceBytes = size_t{1} << 20;

class Uploading {
 public:
  Uploading(Connection& connection, const UploadPlan& plan, ReconnectPolicy policy,
            ProgressLine* line, UploadTotals* totals)
      : connection_(connection), plan_(plan), policy_(policy), line_(line), totals_(totals) {}

  absl::Status Run() {
    RETURN_IF_ERROR(FindMissing());
    for (const UploadBlob* blob : missing_) {
      if (static_cast<size_t>(blob->digest.size_bytes()) > kSmallBytes) {
        RETURN_IF_ERROR(SendLarge(*blob));
      } else {
        RETURN_IF_ERROR(Collect(*blob));
      }
    }
    return SendBatch();
  }

 private:
  absl::Status Ask(const std::function<absl::Status()>& attempt) {
    return Persist(policy_, connection_, control_, attempt);
  }

  absl::Status FindMissing() {
    std::map<std::string, const UploadBlob*> by_hash;
    for (const UploadBlob& blob : plan_.blobs) by_hash[blob.digest.hash()] = &blob;
    v1::FindMissingBlobsRequest request;
    for (size_t i = 0; i < plan_.blobs.size(); ++i) {
      *request.add_digests() = plan_.blobs[i].digest;
      if (i + 1 < plan_.blobs.size() && request.digests_size() < static_cast<int>(kDigestsMax)) {
        continue;
      }
      v1::FindMissingBlobsResponse response;
      RETURN_IF_ERROR(Ask([&] { return Call(connection_, request, &response, &control_); }));
      for (const v1::Digest& digest : response.missing()) {
        const auto found = by_hash.find(digest.hash());
        if (found == by_hash.end()) {
          return absl::InternalError("the daemon misses what is not ours");
        }
        missing_.push_back(found->second);
        total_ += static_cast<uint64_t>(digest.size_bytes());
      }
      request.clear_digests();
    }
    return absl::OkStatus();
  }

  void Show(uint64_t bytes) {
    v1::ImportProgress progress;
    progress.set_bytes_done(bytes);
    progress.set_bytes_total(total_);
    progress.set_items_done(totals_->blobs);
    line_->ShowAs("uploading", progress);
  }

  void Count(uint64_t blobs, uint64_t bytes) {
    totals_->blobs += blobs;
    totals_->bytes += bytes;
  }

  absl::Status Collect(const UploadBlob& blob) {
    ASSIGN_OR_RETURN(std::string bytes, plan_.Read(blob, 0, kSmallBytes));
    const size_t more = bytes.size() + kEntryBytes;
    if (batch_.blobs_size() == static_cast<int>(kBatchBlobs) || batch_bytes_ + more > kBatchBytes) {
      RETURN_IF_ERROR(SendBatch());
    }
    v1::Blob& sent = *batch_.add_blobs();
    *sent.mutable_digest() = blob.digest;
    sent.set_data(std::move(bytes));
    batch_bytes_ += more;
    batch_names_.push_back(&blob);
    return absl::OkStatus();
  }

  absl::Status SendBatch() {
    if (batch_.blobs_size() == 0) return absl::OkStatus();
    v1::BatchUpdateBlobsResponse response;
    RETURN_IF_ERROR(Ask([&] { return Call(connection_, batch_, &response, &control_); }));
    if (response.results_size() != batch_.blobs_size()) {
      return absl::InternalError("the daemon did not answer for each blob");
    }
    for (int i = 0; i < response.results_size(); ++i) {
      RETURN_IF_ERROR(
          Explained(FromRpc(response.results(i).status()), *batch_names_[static_cast<size_t>(i)]));
      Count(1, batch_.blobs(i).data().size());
    }
    batch_.clear_blobs();
    batch_names_.clear();
    batch_bytes_ = 0;
    done_ = totals_->bytes;
    Show(done_);
    return absl::OkStatus();
  }

  // A file that was changed after it was digested.
  static absl::Status Explained(const absl::Status& status, const UploadBlob& blob) {
    return status.ok() || blob.file.empty()
               ? status
               : Annotate(status, absl::StrCat("\"", blob.file.substr(0, 200), "\""));
  }

  absl::Status SendLarge(const UploadBlob& blob) {
    const auto size = static_cast<uint64_t>(blob.digest.size_bytes());
    uint64_t sent = 0;
    RETURN_IF_ERROR(Explained(Ask([&] { return SendRest(blob, &sent); }), blob));
    Count(1, sent);
    done_ += size;
    Show(done_);
    return absl::OkStatus();
  }

  absl::Status SendRest(const UploadBlob& blob, uint64_t* sent) {
    const auto size = static_cast<uint64_t>(blob.digest.size_bytes());
    v1::UploadBlobRequest message;
    *message.mutable_digest() = blob.digest;
    v1::UploadBlobResponse response;
    bool asked = false;
    // Without data: how much is there from a time before?
    RETURN_IF_ERROR(CallUpload(
        connection_,
        [&](v1::UploadBlobRequest* next) -> absl::StatusOr<bool> {
          *next = message;
          return !std::exchange(asked, true);
        },
        &response, &control_));
    uint64_t offset = response.committed_offset();
    if (offset >= size) return absl::OkStatus();
    RETURN_IF_ERROR(CallUpload(
        connection_,
        [&](v1::UploadBlobRequest* next) -> absl::StatusOr<bool> {
          if (offset == size) return false;
          ASSIGN_OR_RETURN(std::string bytes, plan_.Read(blob, offset, kPieceBytes));
          *next = std::exchange(message, v1::UploadBlobRequest());  // the digest comes once
          next->set_offset(offset);
          offset += bytes.size();
          *sent += bytes.size();
          next->set_data(std::move(bytes));
          Show(done_ + offset);
          return true;
        },
        &response, &control_));
    if (response.committed_offset() == size) return absl::OkStatus();
    return absl::UnavailableError("the upload broke off");
  }

  Connection& connection_;
  const UploadPlan& plan_;
  const ReconnectPolicy policy_;
  ProgressLine* const line_;
  UploadTotals* const totals_;
  CallControl control_;
  std::vector<const UploadBlob*> missing_;
  uint64_t total_ = 0;
  uint64_t done_ = 0;
  v1::BatchUpdateBlobsRequest batch_;
  std::vector<const UploadBlob*> batch_names_;
  size_t batch_bytes_ = 0;
};

}  // namespace

absl::Status Upload(Connection& connection, const UploadPlan& plan, ReconnectPolicy policy,
                    ProgressLine* line, UploadTotals* totals) {
  return Uploading(connection, plan, policy, line, totals).Run();
}

}  // namespace glovebox
