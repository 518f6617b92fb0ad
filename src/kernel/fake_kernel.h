#pragma once
/// For tests: the kernel's end of a netlink socket, which sends what the test prescribes, including wrong answers.
#include <linux/netlink.h>
#include <linux/xfrm.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <stdexcept>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "kernel/netlink.h"

namespace ipseckey::kernel::testing {

using Octets = std::vector<std::byte>;

template <class T>
void append(Octets& out, const T& object) {
  const std::size_t at = out.size();
  out.resize(at + sizeof object);
  std::memcpy(out.data() + at, &object, sizeof object);
}

/// Datagrams of netlink messages, composed one after another.
class Datagram {
 public:
  Datagram& message(std::uint16_t type, std::uint16_t flags, std::uint32_t seq, Bytes payload) {
    nlmsghdr header{};
    header.nlmsg_len = static_cast<std::uint32_t>(sizeof header + payload.size());
    header.nlmsg_type = type, header.nlmsg_flags = flags, header.nlmsg_seq = seq;
    append(octets_, header);
    octets_.insert(octets_.end(), payload.begin(), payload.end());
    while (octets_.size() % 4 != 0) octets_.push_back({});
    return *this;
  }
  /// The kernel's answer to a request; `text` is its extended error text.
  Datagram& verdict(std::uint32_t seq, int error, std::string_view text = "") {
    Octets payload;
    nlmsgerr head{};
    head.error = -error;
    append(payload, head);
    if (text.empty()) return message(NLMSG_ERROR, NLM_F_CAPPED, seq, payload);
    append(payload, nlattr{static_cast<std::uint16_t>(sizeof(nlattr) + text.size() + 1), NLMSGERR_ATTR_MSG});
    for (const char c : text) payload.push_back(static_cast<std::byte>(c));
    payload.push_back({});
    return message(NLMSG_ERROR, NLM_F_CAPPED | NLM_F_ACK_TLVS, seq, payload);
  }
  Datagram& done(std::uint32_t seq, std::uint16_t flags = NLM_F_MULTI) {
    return message(NLMSG_DONE, flags, seq, Octets(4));
  }
  const Octets& octets() const { return octets_; }

 private:
  Octets octets_;
};

/// A pair of sockets. Answers that are sent before a request wait; a client's requests are numbered from 1.
class Peer {
 public:
  Peer() {
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds_) != 0) throw std::runtime_error("socketpair");
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  ~Peer() {
    hang_up();
    if (fds_[0] >= 0) ::close(fds_[0]);
  }

  /// Returns the other end; call it once.
  Netlink client(std::chrono::milliseconds patience = std::chrono::milliseconds(200)) {
    return Netlink(std::exchange(fds_[0], -1), patience);
  }
  /// Sends a datagram, without its last `cut` octets.
  Peer& say(const Datagram& datagram, std::size_t cut = 0) {
    const Octets& octets = datagram.octets();
    if (::send(fds_[1], octets.data(), octets.size() - cut, MSG_NOSIGNAL) < 0) throw std::runtime_error("send");
    return *this;
  }
  void hang_up() {
    if (fds_[1] >= 0) ::close(std::exchange(fds_[1], -1));
  }
  int fd() const { return fds_[1]; }

 private:
  int fds_[2] = {-1, -1};
};

/// A request as it was received.
struct Request {
  std::uint16_t type = 0, flags = 0;
  std::uint32_t seq = 0;
  Octets payload;
};

/// A peer that answers each datagram of requests on arrival, until its client has closed the socket.
class FakeKernel {
 public:
  using Answer = std::function<void(const std::vector<Request>& requests, Peer& peer)>;

  explicit FakeKernel(Answer answer) : thread_([this, answer = std::move(answer)] { serve(answer); }) {}
  FakeKernel(const FakeKernel&) = delete;
  FakeKernel& operator=(const FakeKernel&) = delete;
  /// Call after the client has closed.
  ~FakeKernel() { thread_.join(); }

  Netlink client() { return peer_.client(std::chrono::seconds(20)); }

 private:
  void serve(const Answer& answer) {
    std::vector<std::byte> room(1 << 20);
    while (peer_.fd() >= 0) {
      pollfd ready{peer_.fd(), POLLIN, 0};
      if (::poll(&ready, 1, 20'000) <= 0) return;
      const ssize_t got = ::recv(peer_.fd(), room.data(), room.size(), 0);
      if (got <= 0) return;
      std::vector<Request> requests;
      for (std::size_t at = 0; at + sizeof(nlmsghdr) <= static_cast<std::size_t>(got);) {
        nlmsghdr header;
        std::memcpy(&header, room.data() + at, sizeof header);
        const std::byte* const start = room.data() + at;
        requests.push_back({header.nlmsg_type, header.nlmsg_flags, header.nlmsg_seq,
                            Octets(start + sizeof header, start + header.nlmsg_len)});
        at += NLMSG_ALIGN(header.nlmsg_len);
      }
      answer(requests, peer_);
    }
  }

  Peer peer_;
  std::thread thread_;
};

}  // namespace ipseckey::kernel::testing
