// Questions that payloads ask the sandbox's name server, and its answers. Nothing is forwarded: an
// answer is an address that was made up for a permitted name, or that there is none.
#ifndef GLOVEBOX_EGRESS_DNS_MESSAGE_H_
#define GLOVEBOX_EGRESS_DNS_MESSAGE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "policy/host_name.h"
#include "policy/ip_address.h"

namespace glovebox {

inline constexpr size_t kDnsQueryBytesMax = 4096;  // longer ones are not read
inline constexpr size_t kDnsAnswerBytesMax = 512;  // no answer is longer
inline constexpr uint32_t kDnsAnswerSeconds = 30;  // that an answer may be kept

enum class DnsType : uint16_t { kA = 1, kAaaa = 28, kHttps = 65, kSvcb = 64 };

// What is done with a packet.
enum class DnsVerdict {
  kDrop,            // no question at all: too short, or an answer
  kQuestion,        // to be answered
  kFormatError,     // FORMERR
  kNotImplemented,  // NOTIMP: another operation than a question
  kRefused,         // REFUSED: another class than IN
};

struct DnsQuery {
  DnsVerdict verdict = DnsVerdict::kDrop;
  uint16_t id = 0;
  bool recursion_desired = false;
  bool checking_disabled = false;
  bool edns = false;
  uint16_t type = 0;
  std::optional<HostName> name;  // absent: what is asked for is no name of a host
  std::string question;          // as it came, for the answer; letters keep their case
};

// One question and at most an OPT record: whatever else a packet has makes it a kFormatError. Names
// are not compressed in a question.
DnsQuery ParseDnsQuery(absl::string_view packet);

enum class DnsCode : uint8_t {
  kNoError = 0,
  kFormatError = 1,
  kServerFailure = 2,
  kNoSuchName = 3,
  kNotImplemented = 4,
  kRefused = 5,
};

// The answer to any query but kDrop. `address`: of kNoError, an IPv4 one, when the type is kA;
// without it the answer says that the name has nothing of that type. Never truncated.
std::string DnsAnswer(const DnsQuery& query, DnsCode code, const std::optional<IpAddress>& address);

}  // namespace glovebox

#endif  // GLOVEBOX_EGRESS_DNS_MESSAGE_H_
