#include "service/client_book.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace glovebox {
namespace {

constexpr double kBurstSeconds = 2;
// Certificates can name any number of clients; whoever is idle is forgotten beyond this.
constexpr size_t kClientsKeptMax = 4096;

struct KindQuota {
  const char* name;
  uint64_t ClientQuota::*limit;
  const char* what;
};

KindQuota QuotaOf(CallKind kind) {
  switch (kind) {
    case CallKind::kCall:
      return {"calls_at_once_max", &ClientQuota::calls_at_once_max, "calls are in hand"};
    case CallKind::kTransfer:
      return {"transfers_at_once_max", &ClientQuota::transfers_at_once_max,
              "imports, patches, forks or creations from a repository are in hand"};
    case CallKind::kStream:
      break;
  }
  return {"open_streams_max", &ClientQuota::open_streams_max, "streams and waits are open"};
}

}  // namespace

ClientBook::Ticket& ClientBook::Ticket::operator=(Ticket&& other) noexcept {
  if (this == &other) return *this;
  Release();
  book_ = std::exchange(other.book_, nullptr);
  principal_ = std::move(other.principal_);
  slot_ = other.slot_;
  return *this;
}

void ClientBook::Ticket::Release() {
  if (book_ != nullptr) std::exchange(book_, nullptr)->GiveBack(principal_, slot_);
}

void ClientBook::Ticket::Answered() {
  if (book_ != nullptr && slot_ < kKinds) slot_ = book_->MoveToAnswered(principal_, slot_);
}

absl::Status ClientBook::QuotaError(const char* quota, uint64_t limit, absl::string_view what) {
  return DetailedError(
      absl::StatusCode::kResourceExhausted,
      absl::StrCat("this client may have ", limit, " (client_quota.", quota, "): ", what),
      {"CLIENT_QUOTA", {{"quota", quota}, {"limit", absl::StrCat(limit)}}});
}

ClientBook::Client& ClientBook::Find(const std::string& principal) {
  const auto [entry, added] = clients_.try_emplace(principal);
  Client& client = entry->second;
  if (added) {
    const int64_t now_ns = clock_->MonotonicNanos();
    client.requests = {kBurstSeconds * static_cast<double>(quota_.requests_per_second), now_ns};
    client.creations = {kBurstSeconds * static_cast<double>(quota_.creates_per_second), now_ns};
  }
  return client;
}

// Full buckets and empty hands: nothing is forgotten that would make a difference.
void ClientBook::ForgetIdle() {
  if (clients_.size() < kClientsKeptMax) return;
  const int64_t now_ns = clock_->MonotonicNanos();
  const auto full = [&](const Rate& rate) {
    return static_cast<double>(now_ns - rate.at_ns) >= kBurstSeconds * 1e9;
  };
  std::erase_if(clients_, [&](const auto& entry) {
    const Client& client = entry.second;
    return full(client.requests) && full(client.creations) &&
           std::all_of(client.in_hand.begin(), client.in_hand.end(),
                       [](uint64_t count) { return count == 0; });
  });
}

absl::Status ClientBook::Spend(const char* quota, uint64_t per_second, Rate* rate) const {
  const auto per_ns = static_cast<double>(per_second) * 1e-9;
  const int64_t now_ns = clock_->MonotonicNanos();
  rate->tokens = std::min(kBurstSeconds * static_cast<double>(per_second),
                          rate->tokens + static_cast<double>(now_ns - rate->at_ns) * per_ns);
  rate->at_ns = now_ns;
  if (rate->tokens >= 1) {
    rate->tokens -= 1;
    return absl::OkStatus();
  }
  const auto wait_ms = static_cast<int64_t>(std::ceil((1 - rate->tokens) / per_ns / 1e6));
  return DetailedError(absl::StatusCode::kResourceExhausted,
                       absl::StrCat("this client asks more often than ", per_second,
                                    " times a second (client_quota.", quota, "); wait"),
                       {"CLIENT_RATE",
                        {{"quota", quota},
                         {"limit", absl::StrCat(per_second)},
                         {"retry_after_ms", absl::StrCat(wait_ms)}}});
}

absl::StatusOr<ClientBook::Ticket> ClientBook::Admit(const Caller& caller, CallKind kind) {
  if (caller.admin) return Ticket();
  const KindQuota limit = QuotaOf(kind);
  const auto slot = static_cast<size_t>(kind);
  absl::MutexLock lock(&mutex_);
  ForgetIdle();
  Client& client = Find(caller.principal);
  if (const absl::Status spent =
          Spend("requests_per_second", quota_.requests_per_second, &client.requests);
      !spent.ok()) {
    ++client.refused;
    return spent;
  }
  if (client.in_hand[slot] >= quota_.*limit.limit) {
    return QuotaError(limit.name, quota_.*limit.limit, limit.what);
  }
  ++client.in_hand[slot];
  return Ticket(this, caller.principal, slot);
}

absl::Status ClientBook::AdmitCreation(const Caller& caller) {
  if (caller.admin) return absl::OkStatus();
  absl::MutexLock lock(&mutex_);
  return Spend("creates_per_second", quota_.creates_per_second, &Find(caller.principal).creations);
}

ClientBook::Ticket ClientBook::Take(const std::string& principal, size_t slot) {
  absl::MutexLock lock(&mutex_);
  ++Find(principal).in_hand[slot];
  return {this, principal, slot};
}

uint64_t ClientBook::InHand(const std::string& principal, size_t slot) {
  absl::MutexLock lock(&mutex_);
  return Find(principal).in_hand[slot];
}

void ClientBook::GiveBack(const std::string& principal, size_t slot) {
  absl::MutexLock lock(&mutex_);
  --Find(principal).in_hand[slot];  // never forgotten while it holds something
}

size_t ClientBook::MoveToAnswered(const std::string& principal, size_t slot) {
  absl::MutexLock lock(&mutex_);
  Client& client = Find(principal);
  const size_t answered = kAnswered + slot;
  if (client.in_hand[answered] >= quota_.*QuotaOf(static_cast<CallKind>(slot)).limit) return slot;
  --client.in_hand[slot];
  ++client.in_hand[answered];
  return answered;
}

uint64_t ClientBook::TakeRefused(const Caller& caller) {
  if (caller.admin) return 0;
  absl::MutexLock lock(&mutex_);
  return std::exchange(Find(caller.principal).refused, 0);
}

}  // namespace glovebox
