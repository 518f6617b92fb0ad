#pragma once
/// ESP in UDP, as many datagrams in one piece as the kernel takes.
#include <netinet/udp.h>

#include <array>
#include <vector>

#include "esp.h"

namespace bare {

inline constexpr std::uint16_t kPort = 4500;

inline sockaddr_in place(const char* address) {
  sockaddr_in place{};
  place.sin_family = AF_INET, place.sin_port = htons(kPort);
  must(inet_pton(AF_INET, address, &place.sin_addr) == 1, address);
  return place;
}

inline int open_udp(const char* local, const char* remote) {
  const int fd = socket(AF_INET, SOCK_DGRAM, 0), room = 16 << 20, on = 1;
  const sockaddr_in here = place(local), there = place(remote);
  must(bind(fd, reinterpret_cast<const sockaddr*>(&here), sizeof here) == 0, local);
  must(connect(fd, reinterpret_cast<const sockaddr*>(&there), sizeof there) == 0, remote);
  must(setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof on) == 0, "UDP_GRO");
  must(setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room) == 0, "SO_SNDBUFFORCE");
  must(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) == 0, "SO_RCVBUFFORCE");
  return fd;
}

/// Datagrams of one length, the last of which may be shorter, side by side in one buffer.
class UdpWay {
 public:
  explicit UdpWay(int fd) : fd_(fd), memory_(kPieces * kPiece) {}

  Octet* slot(std::size_t size) {
    if (count_ != 0 && (ended_ || size > each_ || count_ == kMost || used_ + size > kLongest)) end();
    if (piece_ == kPieces) flush();
    return memory_.data() + piece_ * kPiece + used_;
  }
  void commit(std::size_t size) {
    if (count_++ == 0) each_ = size;
    ended_ = size < each_;
    used_ += size;
  }
  void flush() {
    if (count_ != 0) end();
    for (unsigned sent = 0; sent < piece_;) {
      const int n = sendmmsg(fd_, &message_[sent], piece_ - sent, 0);
      if (n < 0) must(errno == EINTR || errno == ECONNREFUSED || errno == ENOBUFS, "sendmmsg");
      sent += static_cast<unsigned>(std::max(n, 0));
    }
    piece_ = 0;
  }

 private:
  static constexpr std::size_t kPieces = 16, kPiece = 66'000, kMost = 64, kLongest = 65'000;

  void end() {
    part_[piece_] = {memory_.data() + piece_ * kPiece, used_};
    msghdr& m = message_[piece_].msg_hdr;
    m = {};
    m.msg_iov = &part_[piece_], m.msg_iovlen = 1;
    if (count_ > 1) {
      m.msg_control = control_[piece_].data(), m.msg_controllen = CMSG_SPACE(sizeof(std::uint16_t));
      cmsghdr& c = *CMSG_FIRSTHDR(&m);
      c.cmsg_level = SOL_UDP, c.cmsg_type = UDP_SEGMENT, c.cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
      at<std::uint16_t>(CMSG_DATA(&c)) = static_cast<std::uint16_t>(each_);
    }
    ++piece_, count_ = used_ = 0, ended_ = false;
  }

  using Control = std::array<Octet, 64>;
  int fd_;
  std::vector<Octet> memory_;
  std::array<mmsghdr, kPieces> message_{};
  std::array<iovec, kPieces> part_{};
  alignas(cmsghdr) std::array<Control, kPieces> control_{};
  unsigned piece_ = 0;
  std::size_t count_ = 0, used_ = 0, each_ = 0;
  bool ended_ = false;
};

/// Reads pieces of datagrams until the process ends.
inline void receive_udp(int fd, Joiner& joiner) {
  constexpr unsigned kPieces = 8;
  constexpr std::size_t kPiece = 65'536;
  std::vector<Octet> memory(kPieces * kPiece);
  std::array<mmsghdr, kPieces> message{};
  std::array<iovec, kPieces> part{};
  alignas(cmsghdr) std::array<std::array<Octet, 64>, kPieces> control{};
  while (true) {
    for (unsigned i = 0; i < kPieces; ++i) {
      part[i] = {memory.data() + i * kPiece, kPiece};
      message[i].msg_hdr = {.msg_name = nullptr,
                            .msg_namelen = 0,
                            .msg_iov = &part[i],
                            .msg_iovlen = 1,
                            .msg_control = control[i].data(),
                            .msg_controllen = control[i].size(),
                            .msg_flags = 0};
    }
    const int got = recvmmsg(fd, message.data(), kPieces, MSG_WAITFORONE, nullptr);
    if (got < 0) must(errno == EINTR || errno == ECONNREFUSED, "recvmmsg");
    for (int i = 0; i < got; ++i) {
      mmsghdr& m = message[static_cast<unsigned>(i)];
      std::size_t each = m.msg_len;
      for (cmsghdr* c = CMSG_FIRSTHDR(&m.msg_hdr); c; c = CMSG_NXTHDR(&m.msg_hdr, c))
        if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) each = static_cast<std::size_t>(at<int>(CMSG_DATA(c)));
      auto* const data = static_cast<Octet*>(m.msg_hdr.msg_iov->iov_base);
      for (std::size_t from = 0; from < m.msg_len; from += each)
        joiner.take(data + from, std::min<std::size_t>(each, m.msg_len - from));
    }
    joiner.flush();
  }
}

}  // namespace bare
