// The bare loop that bench/limits compares ipsecd with: a tunnel with everything except ciphers, SAs and rules. Only
// for measurement.
//
// usage: bare_tunnel udp DEVICE LOCAL REMOTE             ESP in UDP, port 4500
//        bare_tunnel xdp DEVICE LOCAL REMOTE LINK MAC    raw ESP, out by AF_XDP on LINK to that neighbour
//
// DEVICE is the TUN device that it makes; "ready" on standard output when packets may come.
#include <sys/prctl.h>

#include <string_view>
#include <thread>

#include "udp.h"
#include "xdp.h"

namespace {

using namespace bare;

template <class Way>
[[noreturn]] void send_all(int tun, Way& way) {
  static Octet read_here[70'000];
  Cutter cutter(way);
  std::puts("ready");
  std::fflush(stdout);
  while (true) {
    const ssize_t size = read(tun, read_here, sizeof read_here);
    if (size > static_cast<ssize_t>(sizeof(Offload))) cutter.take(read_here, static_cast<std::size_t>(size));
    way.flush();
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view way = argc > 4 ? argv[1] : "";
  if (!(way == "udp" && argc == 5) && !(way == "xdp" && argc == 7)) {
    std::fputs("usage: bare_tunnel udp DEVICE LOCAL REMOTE\n       bare_tunnel xdp DEVICE LOCAL REMOTE LINK MAC\n",
               stderr);
    return 2;
  }
  const int tun = open_tun(argv[2]);
  Joiner joiner(tun);
  prctl(PR_SET_TIMERSLACK, 1);
  if (way == "udp") {
    const int fd = open_udp(argv[3], argv[4]);
    std::thread([&] { receive_udp(fd, joiner); }).detach();
    UdpWay out(fd);
    send_all(tun, out);
  }
  const int fd = open_raw();
  std::thread([&] { receive_raw(fd, joiner); }).detach();
  XdpWay out(argv[5], argv[6], argv[3], argv[4]);
  send_all(tun, out);
}
