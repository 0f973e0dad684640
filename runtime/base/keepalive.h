// How both sides of a connection notice that the other is gone without a word. One place, because a
// client that pings more often than its server allows is thrown out ("too_many_pings").
#ifndef GLOVEBOX_BASE_KEEPALIVE_H_
#define GLOVEBOX_BASE_KEEPALIVE_H_

namespace glovebox {

// A server pings a silent client after this time, and takes it for gone when nothing comes back.
inline constexpr int kServerPingEveryMs = 60'000;
// The most often that a server lets its clients ping; docs/api.md tells other clients.
inline constexpr int kClientPingsApartMs = 10'000;
// Our own client's: it pings only while a call is open.
inline constexpr int kClientPingEveryMs = 20'000;
inline constexpr int kPingAnswerWithinMs = 20'000;

static_assert(kClientPingEveryMs >= 2 * kClientPingsApartMs, "a ping may come early by its delay");

}  // namespace glovebox

#endif  // GLOVEBOX_BASE_KEEPALIVE_H_
