// The first bytes of a TLS client: however they are cut, they are read the same way.
#include "egress/client_hello.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/targets.h"

namespace glovebox {

void FuzzClientHello(absl::string_view input) {
  FuzzInput parts(input);
  const size_t cut = size_t{parts.Byte()} + 1;
  const absl::string_view bytes = parts.Rest();
  ClientHelloReader whole;
  const auto state = whole.Feed(bytes);
  ClientHelloReader piecewise;
  auto piece_state = ClientHelloReader::State::kMore;
  for (size_t i = 0; i < bytes.size(); i += cut) piece_state = piecewise.Feed(bytes.substr(i, cut));
  // What stands behind the hello in its record is seen when it comes: a whole one shows it at once.
  Demand(piece_state == state, "a cut changes nothing");
  Demand(piecewise.server_name() == whole.server_name(), "nor the name");
  Demand(piecewise.offers_http2() == whole.offers_http2() &&
             piecewise.offers_http1() == whole.offers_http1(),
         "nor the protocols");
  Demand(state != ClientHelloReader::State::kRefused || whole.why()[0] != 0, "a refusal says why");
  Demand(
      bytes.size() <= 2 * ClientHelloReader::kBytesMax || state != ClientHelloReader::State::kMore,
      "a hello has an end");
}

}  // namespace glovebox
