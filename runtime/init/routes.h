// Where packets of the sandbox go: nowhere but to itself.
#ifndef GLOVEBOX_INIT_ROUTES_H_
#define GLOVEBOX_INIT_ROUTES_H_

namespace glovebox {

// The step of route_out: a socket that listens at every address gets what was to go to any other
// one, and getsockname(2) says which (ip-route(8): "local default dev lo"). Of IPv6 too, where the
// kernel has that. And an address that is not loopback's, without which some programs ask for no
// names.
void MakeEveryAddressLocal();

}  // namespace glovebox

#endif  // GLOVEBOX_INIT_ROUTES_H_
