// Sends and counts UDP datagrams for bench/limits.
//
// usage: bare_datagrams send ADDRESS SIZE SECONDS RATE [gso]
//        bare_datagrams receive ADDRESS SIZE [gro]
//
// send: RATE datagrams a second (0: the most possible); prints how many it has sent. receive: prints "ready", and after
// a signal how many have arrived.
// gso: 64 datagrams in one piece (UDP_SEGMENT). gro: pieces are taken (UDP_GRO).
#include <netinet/udp.h>
#include <sys/uio.h>

#include <array>
#include <chrono>
#include <csignal>
#include <string_view>
#include <thread>

#include "bytes.h"

namespace {

using namespace bare;
using Clock = std::chrono::steady_clock;

constexpr std::uint16_t kPort = 9999;
constexpr unsigned kBatch = 32, kInPiece = 64;

volatile std::sig_atomic_t ended = 0;

int open_at(const char* address, auto connect_or_bind, int room_option) {
  const int fd = socket(AF_INET, SOCK_DGRAM, 0), room = 8 << 20;
  sockaddr_in place{};
  place.sin_family = AF_INET, place.sin_port = htons(kPort);
  must(inet_pton(AF_INET, address, &place.sin_addr) == 1, address);
  must(connect_or_bind(fd, reinterpret_cast<const sockaddr*>(&place), sizeof place) == 0, address);
  must(setsockopt(fd, SOL_SOCKET, room_option, &room, sizeof room) == 0, "room in the socket");
  return fd;
}

// How many datagrams one call of the kernel took.
unsigned send_some(int fd, std::size_t size, bool pieces) {
  static std::array<Octet, 65'536> content{};
  if (pieces) return send(fd, content.data(), size * kInPiece, MSG_DONTWAIT) > 0 ? kInPiece : 0;
  static iovec part{content.data(), size};
  static std::array<mmsghdr, kBatch> message = [] {
    std::array<mmsghdr, kBatch> m{};
    for (mmsghdr& one : m) one.msg_hdr.msg_iov = &part, one.msg_hdr.msg_iovlen = 1;
    return m;
  }();
  const int sent = sendmmsg(fd, message.data(), kBatch, MSG_DONTWAIT);
  return sent > 0 ? static_cast<unsigned>(sent) : 0;
}

void send_datagrams(const char* address, std::size_t size, double seconds, double rate, bool pieces) {
  const int fd = open_at(address, connect, SO_SNDBUFFORCE), each = static_cast<int>(size);
  if (pieces) must(setsockopt(fd, SOL_UDP, UDP_SEGMENT, &each, sizeof each) == 0, "UDP_SEGMENT");
  const auto start = Clock::now();
  unsigned long sent = 0;
  while (true) {
    const double passed = std::chrono::duration<double>(Clock::now() - start).count();
    if (passed >= seconds) break;
    if (rate > 0 && static_cast<double>(sent) > passed * rate)
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    else
      sent += send_some(fd, size, pieces);
  }
  std::printf("%lu\n", sent);
}

void receive_datagrams(const char* address, std::size_t size, bool pieces) {
  const int fd = open_at(address, bind, SO_RCVBUFFORCE), on = 1;
  if (pieces) must(setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof on) == 0, "UDP_GRO");
  struct sigaction end{};
  end.sa_handler = [](int) { ended = 1; };
  sigaction(SIGTERM, &end, nullptr);  // Without SA_RESTART: recvmmsg() returns.
  static std::array<std::array<Octet, 65'536>, kBatch> memory;
  std::array<iovec, kBatch> part{};
  std::array<mmsghdr, kBatch> message{};
  for (unsigned i = 0; i < kBatch; ++i) {
    part[i] = {memory[i].data(), memory[i].size()};
    message[i].msg_hdr.msg_iov = &part[i], message[i].msg_hdr.msg_iovlen = 1;
  }
  std::puts("ready");
  std::fflush(stdout);
  unsigned long arrived = 0;
  while (!ended) {
    const int got = recvmmsg(fd, message.data(), kBatch, MSG_WAITFORONE, nullptr);
    for (int i = 0; i < got; ++i) arrived += message[static_cast<unsigned>(i)].msg_len / size;
  }
  std::printf("%lu\n", arrived);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what = argc > 3 ? argv[1] : "";
  const auto size = static_cast<std::size_t>(argc > 3 ? std::atoi(argv[3]) : 0);
  if (what == "send" && argc >= 6)
    send_datagrams(argv[2], size, std::atof(argv[4]), std::atof(argv[5]), argc > 6);
  else if (what == "receive")
    receive_datagrams(argv[2], size, argc > 4);
  else
    return 2;
  return 0;
}
