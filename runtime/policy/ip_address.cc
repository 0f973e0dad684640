#include "policy/ip_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace glovebox {
namespace {

absl::Status Wrong(absl::string_view why) {
  return DetailedError(absl::StatusCode::kInvalidArgument, why,
                       {"INVALID_FIELD", {{"field", "private_ranges_allowed"}}});
}

int BitsOf(const IpAddress& address) { return address.is_v6 ? 128 : 32; }

bool SamePrefix(const IpAddress& a, const IpAddress& b, int bits) {
  if (a.is_v6 != b.is_v6) return false;
  const size_t whole = static_cast<size_t>(bits) / 8;
  if (!std::equal(a.bytes.begin(), a.bytes.begin() + whole, b.bytes.begin())) return false;
  const int rest = bits % 8;
  return rest == 0 || (a.bytes[whole] ^ b.bytes[whole]) >> (8 - rest) == 0;
}

struct ParsedBlock {
  SpecialBlock block;
  IpRange range;
};

const std::vector<ParsedBlock>& ParsedBlocks() {
  static const std::vector<ParsedBlock>& parsed = *[] {
    auto* const blocks = new std::vector<ParsedBlock>;
    for (const SpecialBlock& block : SpecialBlocks()) {
      blocks->push_back({block, IpRange::Parse(block.range).value()});
    }
    return blocks;
  }();
  return parsed;
}

const ParsedBlock* NarrowestBlock(const IpAddress& address) {
  const ParsedBlock* found = nullptr;
  for (const ParsedBlock& block : ParsedBlocks()) {
    if (!block.range.Has(address)) continue;
    if (found == nullptr || block.range.prefix_bits > found->range.prefix_bits) found = &block;
  }
  return found;
}

// The IPv4 address that a translator would send to. 6to4, Teredo and mapped ones need none: they
// can never be allowed.
std::optional<IpAddress> TranslatedTo(const IpAddress& address) {
  static const IpRange& nat64 = *new IpRange(IpRange::Parse("64:ff9b::/96").value());
  if (!nat64.Has(address)) return std::nullopt;
  IpAddress inner;
  std::copy(address.bytes.begin() + 12, address.bytes.end(), inner.bytes.begin());
  return inner;
}

}  // namespace

IpAddress IpAddress::V4(uint32_t host_order) {
  IpAddress address;
  for (size_t i = 0; i < 4; ++i) {
    address.bytes[i] = static_cast<uint8_t>(host_order >> (24 - 8 * i));
  }
  return address;
}

IpAddress IpAddress::V6(const std::array<uint8_t, 16>& bytes) { return {true, bytes}; }

absl::StatusOr<IpAddress> IpAddress::Parse(absl::string_view text) {
  char terminated[INET6_ADDRSTRLEN] = {};
  IpAddress address;
  if (text.size() < sizeof terminated && text.find('\0') == absl::string_view::npos) {
    std::memcpy(terminated, text.data(), text.size());
    if (::inet_pton(AF_INET, terminated, address.bytes.data()) == 1) return address;
    address.is_v6 = true;
    if (::inet_pton(AF_INET6, terminated, address.bytes.data()) == 1) return address;
  }
  return Wrong("not an IP address, as in \"192.0.2.1\" or \"2001:db8::1\"");
}

IpAddress IpAddress::Unmapped() const {
  static constexpr std::array<uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (!is_v6 || !std::equal(kMapped.begin(), kMapped.end(), bytes.begin())) return *this;
  IpAddress inner;
  std::copy(bytes.begin() + 12, bytes.end(), inner.bytes.begin());
  return inner;
}

uint32_t IpAddress::V4HostOrder() const {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | bytes[i];
  return value;
}

std::string IpAddress::Text() const {
  char text[INET6_ADDRSTRLEN] = {};
  (void)::inet_ntop(is_v6 ? AF_INET6 : AF_INET, bytes.data(), text,  // cannot fail: there is room
                    sizeof text);
  return text;
}

absl::StatusOr<IpRange> IpRange::Parse(absl::string_view text) {
  const size_t slash = text.find('/');
  IpRange range;
  ASSIGN_OR_RETURN(range.first, IpAddress::Parse(text.substr(0, slash)));
  const absl::string_view bits =
      slash == absl::string_view::npos ? absl::string_view() : text.substr(slash + 1);
  const bool digits =
      !bits.empty() && bits.size() <= 3 &&
      std::all_of(bits.begin(), bits.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!digits || !absl::SimpleAtoi(bits, &range.prefix_bits) ||
      range.prefix_bits > BitsOf(range.first)) {
    return Wrong("not an address range in CIDR form, as in \"10.1.0.0/16\"");
  }
  for (int bit = range.prefix_bits; bit < BitsOf(range.first); ++bit) {
    const size_t index = static_cast<size_t>(bit);
    if ((range.first.bytes[index / 8] >> (7 - index % 8) & 1) != 0) {
      return Wrong(absl::StrCat("bits are set behind the prefix of ", range.Text(),
                                "; write the first address of the range"));
    }
  }
  return range;
}

bool IpRange::Has(const IpAddress& address) const {
  return SamePrefix(first, address, prefix_bits);
}

bool IpRange::Has(const IpRange& range) const {
  return range.prefix_bits >= prefix_bits && Has(range.first);
}

std::string IpRange::Text() const { return absl::StrCat(first.Text(), "/", prefix_bits); }

const SpecialBlock* SpecialBlockOf(const IpAddress& address) {
  const ParsedBlock* const block = NarrowestBlock(address);
  if (block != nullptr) return &block->block;
  static const SpecialBlock& beyond =
      *new SpecialBlock{"outside of 2000::/3", "no global unicast", false};
  const bool global = !address.is_v6 || address.bytes[0] >> 5 == 1;
  return global ? nullptr : &beyond;
}

bool MayDial(const IpAddress& address, const std::vector<IpRange>& allowed) {
  const SpecialBlock* const block = SpecialBlockOf(address);
  if (block == nullptr) return true;
  if (!block->can_be_allowed) return false;
  const bool named = std::any_of(allowed.begin(), allowed.end(),
                                 [&](const IpRange& range) { return range.Has(address); });
  const std::optional<IpAddress> inner = TranslatedTo(address);
  return named && (!inner.has_value() || MayDial(*inner, allowed));
}

absl::Status CheckException(const IpRange& range) {
  for (const ParsedBlock& block : ParsedBlocks()) {
    if (block.block.can_be_allowed && block.range.Has(range)) return absl::OkStatus();
  }
  const SpecialBlock* const block = SpecialBlockOf(range.first);
  const std::string is = block == nullptr
                             ? "has public addresses, which rules by name allow"
                             : absl::StrCat("is not wholly private (", block->what, ")");
  return Wrong(absl::StrCat(range.Text(), " ", is,
                            "; only ranges within 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, "
                            "100.64.0.0/10, fc00::/7 and 64:ff9b::/96 can be allowed"));
}

}  // namespace glovebox
