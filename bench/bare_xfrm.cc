// usage: bare_xfrm COUNT gcm|cbc
// The yardstick of bench/kernel: COUNT SAs into the kernel with messages that are ready before the clock starts, 500 in
// a send, every acknowledgement read. Nothing is parsed, checked or reported. Prints the seconds. The SAs are
// make_keys'.
#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace {

constexpr unsigned kAtOnce = 500;

class Messages {
 public:
  void add(std::uint32_t n, bool gcm) {
    const std::size_t start = bytes_.size();
    nlmsghdr header{};
    header.nlmsg_type = XFRM_MSG_NEWSA;
    header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
    header.nlmsg_seq = n + 1;
    put(&header, sizeof header);
    const xfrm_usersa_info info = sa(n);
    put(&info, sizeof info);
    if (gcm) {
      algorithm(XFRMA_ALG_AEAD, "rfc4106(gcm(aes))", 20, 128, n);
    } else {
      algorithm(XFRMA_ALG_AUTH_TRUNC, "hmac(sha256)", 32, 128, n);
      algorithm(XFRMA_ALG_CRYPT, "cbc(aes)", n % 2 == 0 ? 16 : 32, 0, n);
    }
    header.nlmsg_len = static_cast<std::uint32_t>(bytes_.size() - start);
    std::memcpy(&bytes_[start], &header, sizeof header);
    ends_.push_back(bytes_.size());
  }
  std::size_t count() const { return ends_.size(); }
  std::span<const char> slice(std::size_t first, std::size_t last) const {
    const std::size_t start = first == 0 ? 0 : ends_[first - 1];
    return std::span(bytes_).subspan(start, ends_[last - 1] - start);
  }

 private:
  static xfrm_usersa_info sa(std::uint32_t n) {
    xfrm_usersa_info info{};
    info.family = info.sel.family = AF_INET;
    info.id.proto = IPPROTO_ESP;
    info.id.spi = htonl(0x1000 + n);
    info.id.daddr.a4 = htonl(10u << 24 | (1 + (n >> 16 & 0xff) % 254) << 16 | (n & 0xffff));
    info.saddr.a4 = htonl(10u << 24 | 1);
    info.lft.soft_byte_limit = info.lft.hard_byte_limit = XFRM_INF;
    info.lft.soft_packet_limit = info.lft.hard_packet_limit = XFRM_INF;
    info.lft.hard_add_expires_seconds = 28800;
    return info;
  }
  void algorithm(std::uint16_t type, const char* name, unsigned key, std::uint32_t icv, std::uint32_t n) {
    char head[72] = {};
    const std::uint32_t bits = key * 8;
    const std::size_t size = icv ? 72 : 68;
    std::strncpy(head, name, 63);
    std::memcpy(head + 64, &bits, 4);
    std::memcpy(head + 68, &icv, 4);
    const nlattr attribute{static_cast<std::uint16_t>(sizeof(nlattr) + size + key), type};
    put(&attribute, sizeof attribute);
    put(head, size);
    for (unsigned i = 0; i < key; ++i) bytes_.push_back(static_cast<char>(n * 31 + i * 7 + (n >> 8) + 1));
    while (bytes_.size() % 4 != 0) bytes_.push_back(0);
  }
  void put(const void* from, std::size_t size) {
    const char* const start = static_cast<const char*>(from);
    bytes_.insert(bytes_.end(), start, start + size);
  }

  std::vector<char> bytes_;
  std::vector<std::size_t> ends_;
};

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

// Reads until `wanted` acknowledgements have come.
void acknowledgements(int fd, std::size_t wanted) {
  static char room[1 << 18];
  while (wanted > 0) {
    const ssize_t got = recv(fd, room, sizeof room, 0);
    if (got <= 0) die("recv");
    for (std::size_t at = 0; at + sizeof(nlmsghdr) + sizeof(int) <= static_cast<std::size_t>(got); --wanted) {
      nlmsghdr header;
      int error = 0;
      std::memcpy(&header, room + at, sizeof header);
      std::memcpy(&error, room + at + sizeof header, sizeof error);
      if (error != 0) {
        errno = -error;
        die("an SA was refused");
      }
      at += (header.nlmsg_len + 3) & ~3u;
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const bool gcm = std::string_view(argv[2]) == "gcm";
  Messages messages;
  for (std::uint32_t n = 0; n < std::strtoul(argv[1], nullptr, 10); ++n) messages.add(n, gcm);
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_XFRM);
  const int room = 8 << 20, on = 1;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
  setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  const auto start = std::chrono::steady_clock::now();
  for (std::size_t sent = 0; sent < messages.count();) {
    const std::size_t last = std::min<std::size_t>(sent + kAtOnce, messages.count());
    const auto bytes = messages.slice(sent, last);
    if (send(fd, bytes.data(), bytes.size(), 0) < 0) die("send");
    acknowledgements(fd, last - sent);
    sent = last;
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::printf("%.3f\n", took.count());
}
