#include "egress/synthetic_names.h"

namespace glovebox {
namespace {

constexpr uint32_t kFirst = 0xc6120001;  // 198.18.0.1
constexpr uint32_t kPlaces = 0x1fffe;    // up to 198.19.255.254
constexpr uint32_t kPrefix = 0xc6120000;
constexpr uint32_t kMask = 0xfffe0000;
static_assert(((kFirst + kPlaces) & kMask) == kPrefix);
static_assert(SyntheticNames::kNamesMax <= kPlaces / 4);

// Places that are looked at for a name. Half of all are free, so that there is one, unless a
// payload chooses names whose places are all taken: then that payload has no more names.
constexpr int kTries = 64;

uint64_t HashOf(std::string_view name) {  // FNV-1a
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return hash;
}

// The next number of a sequence that looks like chance (splitmix64).
uint64_t Next(uint64_t* state) {
  uint64_t mixed = *state += 0x9e3779b97f4a7c15;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
  return mixed ^ (mixed >> 31);
}

}  // namespace

std::optional<IpAddress> SyntheticNames::AddressOf(const HostName& name) {
  if (const auto found = places_.find(name.value()); found != places_.end()) {
    return IpAddress::V4(kFirst + found->second);
  }
  const size_t bytes = name.value().size();
  if (names_.size() == kNamesMax || kBytesMax - bytes_ < bytes) return std::nullopt;
  uint64_t state = HashOf(name.value());
  for (int i = 0; i < kTries; ++i) {
    const auto place = static_cast<uint32_t>(Next(&state) % kPlaces);
    const auto [kept, is_free] = names_.try_emplace(place, name);
    if (!is_free) continue;
    places_.emplace(kept->second.value(), place);
    bytes_ += bytes;
    return IpAddress::V4(kFirst + place);
  }
  return std::nullopt;
}

const HostName* SyntheticNames::NameOf(const IpAddress& address) const {
  if (!IsSynthetic(address)) return nullptr;
  const auto found = names_.find(address.V4HostOrder() - kFirst);
  return found != names_.end() ? &found->second : nullptr;
}

bool SyntheticNames::IsSynthetic(const IpAddress& address) {
  return !address.is_v6 && (address.V4HostOrder() & kMask) == kPrefix;
}

}  // namespace glovebox
