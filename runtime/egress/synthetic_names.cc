#include "egress/synthetic_names.h"

namespace glovebox {
namespace {

constexpr uint32_t kFirst = 0xc6120001;  // 198.18.0.1
constexpr uint32_t kPrefix = 0xc6120000;
constexpr uint32_t kMask = 0xfffe0000;
static_assert(((kFirst + SyntheticNames::kNamesMax) & kMask) == kPrefix);

}  // namespace

std::optional<IpAddress> SyntheticNames::AddressOf(const HostName& name) {
  if (const auto found = indexes_.find(name.value()); found != indexes_.end()) {
    return IpAddress::V4(kFirst + found->second);
  }
  const size_t bytes = name.value().size();
  if (names_.size() == kNamesMax || kBytesMax - bytes_ < bytes) return std::nullopt;
  const auto index = static_cast<uint32_t>(names_.size());
  names_.push_back(name);
  indexes_.emplace(names_.back().value(), index);
  bytes_ += bytes;
  return IpAddress::V4(kFirst + index);
}

const HostName* SyntheticNames::NameOf(const IpAddress& address) const {
  if (!IsSynthetic(address)) return nullptr;
  const uint32_t index = address.V4HostOrder() - kFirst;  // of 198.18.0.0: beyond every one
  return index < names_.size() ? &names_[index] : nullptr;
}

bool SyntheticNames::IsSynthetic(const IpAddress& address) {
  return !address.is_v6 && (address.V4HostOrder() & kMask) == kPrefix;
}

}  // namespace glovebox
