// 1. filter() writes a program of linux/filter.h: a short test for each network, without long jumps.
// 2. open() attaches it before the socket is bound, so that nothing else is ever in its queue.
// 3. drain() finds where the IP packet begins by the type of the device.
#include "probe/capture.h"

#include <fmt/format.h>
#include <linux/filter.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

#include "base/cast.h"
#include "system/errno_text.h"

namespace ipseckey::probe {
namespace {

using policy::Prefix;

constexpr std::size_t kMostNetworks = 64;
constexpr std::uint32_t kAll = 0x40000;
constexpr std::uint32_t kNet = static_cast<std::uint32_t>(SKF_NET_OFF);

class Program {
 public:
  void add(std::uint16_t code, std::uint32_t k, std::uint8_t yes = 0, std::uint8_t no = 0) {
    code_.push_back({code, yes, no, k});
  }
  void load(std::uint32_t at) { add(BPF_LD | BPF_W | BPF_ABS, kNet + at); }
  void load_octet(std::uint32_t at) { add(BPF_LD | BPF_B | BPF_ABS, kNet + at); }
  void equal(std::uint32_t value, std::uint8_t yes, std::uint8_t no) { add(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no); }
  void end(std::uint32_t octets) { add(BPF_RET | BPF_K, octets); }

  // The whole packet, if the address there is in the network.
  void accept(const Prefix& p, std::uint32_t at) {
    const auto words = (p.length + 31u) / 32;
    for (unsigned i = 0; i < words; ++i) {
      const unsigned bits = std::min(32u, p.length - i * 32u);
      std::uint32_t value = 0;
      Reader(Bytes(p.address.octets).subspan(i * 4)).net(value);
      load(at + i * 4);
      add(BPF_ALU | BPF_AND | BPF_K, bits == 32 ? UINT32_MAX : ~(UINT32_MAX >> bits));
      // What is left of this network's test: three for each further word, and the end.
      equal(value, 0, static_cast<std::uint8_t>((words - i - 1) * 3 + 1));
    }
    end(kAll);
  }
  // If the octet at one place is a, and that at another between b and c.
  void accept_octets(std::uint32_t first, std::uint32_t a, std::uint32_t second, std::uint32_t b, std::uint32_t c) {
    load_octet(first);
    equal(a, 0, 4);
    load_octet(second);
    add(BPF_JMP | BPF_JGE | BPF_K, b, 0, 2);
    add(BPF_JMP | BPF_JGT | BPF_K, c, 1, 0);
    end(kAll);
  }

  // AH, ESP, and UDP to the port; `next`: where the number of the protocol is, of a header of `head` octets.
  void accept_protected(std::uint32_t next, std::uint32_t head, std::uint16_t port) {
    for (const std::uint32_t protocol : {50u, 51u}) {
      load_octet(next);
      equal(protocol, 0, 1);
      end(kAll);
    }
    load_octet(next);
    equal(17, 0, 3);
    add(BPF_LD | BPF_H | BPF_ABS, kNet + head + 2);
    equal(port, 0, 1);
    end(kAll);
  }

  // Probes, whatever addresses NAT gave them: UDP and echo requests by their contents, TCP by SYN. `head`: octets of
  // IP's header. Last, because a packet that is too short for a load is left out.
  void accept_probes(std::uint32_t next, std::uint32_t head, std::uint32_t echo) {
    constexpr std::uint32_t kContents = 0x49505350, kSyn = 2;  // "IPSP", prove/wire.h.
    load_octet(next);
    equal(6, 0, 3);
    load_octet(head + 13);
    add(BPF_JMP | BPF_JSET | BPF_K, kSyn, 0, 1);
    end(kAll);
    load_octet(next);
    equal(17, 1, 0);
    equal(echo, 0, 3);
    load(head + 8);
    equal(kContents, 0, 1);
    end(kAll);
  }

  std::vector<sock_filter>& code() { return code_; }

 private:
  std::vector<sock_filter> code_;
};

std::vector<sock_filter> filter(std::span<const Prefix> networks, std::uint16_t port) {
  const bool all = networks.empty() || networks.size() > kMostNetworks;
  Program p;
  p.add(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_PROTOCOL));
  p.equal(ETH_P_IP, 3, 0);
  p.equal(ETH_P_IPV6, 0, 1);
  const std::size_t jump = p.code().size();
  p.add(BPF_JMP | BPF_JA, 0);
  p.end(0);
  constexpr std::uint32_t kSource4 = 12, kDestination4 = 16, kSource6 = 8, kDestination6 = 24;
  p.accept_octets(9, 1, 20, 3, 12);  // ICMP errors: types 3 to 12.
  if (port != 0) p.accept_protected(9, 20, port);
  for (const Prefix& n : networks)
    if (!all && n.address.family == Family::v4) p.accept(n, kSource4), p.accept(n, kDestination4);
  if (port == 0 && !all) p.accept_probes(9, 20, 1);
  p.end(all ? kAll : 0);
  p.code()[jump].k = static_cast<std::uint32_t>(p.code().size() - jump - 1);
  p.accept_octets(6, 58, 40, 1, 4);
  if (port != 0) p.accept_protected(6, 40, port);
  for (const Prefix& n : networks)
    if (!all && n.address.family == Family::v6) p.accept(n, kSource6), p.accept(n, kDestination6);
  if (port == 0 && !all) p.accept_probes(6, 40, 58);
  p.end(all ? kAll : 0);
  return std::move(p.code());
}

// Where the IP packet begins; nullopt: a kind of link that is not known.
std::optional<std::size_t> packet_at(Bytes frame, unsigned short kind) {
  if (kind == ARPHRD_ETHER || kind == ARPHRD_LOOPBACK) {
    if (frame.size() < ETH_HLEN) return std::nullopt;
    std::uint16_t type = 0;
    Reader(frame.subspan(12)).net(type);
    return type == ETH_P_8021Q ? ETH_HLEN + 4u : std::size_t{ETH_HLEN};
  }
  const bool bare = kind == ARPHRD_NONE || kind == ARPHRD_PPP || kind == ARPHRD_RAWIP || kind == ARPHRD_TUNNEL ||
                    kind == ARPHRD_TUNNEL6 || kind == ARPHRD_SIT || kind == ARPHRD_IPGRE;
  return bare ? std::optional<std::size_t>(0) : std::nullopt;
}

}  // namespace

Result<Capture> Capture::open(std::span<const Prefix> networks, std::vector<unsigned> inside, std::uint16_t port) {
  const auto failed = [] {
    const bool denied = errno == EPERM || errno == EACCES;
    return fail(denied ? Errc::denied : Errc::io,
                fmt::format("packets cannot be captured: {}{}", errno_text(errno), denied ? "; prove needs root" : ""));
  };
  Descriptor fd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));  // 0: not before it is bound.
  if (!fd) return failed();
  std::vector<sock_filter> code = filter(networks, port);
  const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  if (setsockopt(fd.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0) return failed();
  constexpr int kRoom = 4 << 20;  // Octets.
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kRoom, sizeof kRoom);
  sockaddr_ll everywhere{};
  everywhere.sll_family = AF_PACKET;
  everywhere.sll_protocol = big_endian(std::uint16_t{ETH_P_ALL});
  if (bind(fd.get(), interface_cast<sockaddr>(&everywhere), sizeof everywhere) != 0) return failed();
  return Capture(std::move(fd), std::move(inside));
}

void Capture::drain(absl::FunctionRef<void(Frame&&)> each) {
  constexpr std::size_t kMost = 65536 + 64;
  std::vector<std::byte> room(kMost);
  while (true) {
    sockaddr_ll from{};
    socklen_t size = sizeof from;
    const ssize_t got = recvfrom(fd_.get(), room.data(), room.size(), 0, interface_cast<sockaddr>(&from), &size);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return;
    const auto device = static_cast<unsigned>(from.sll_ifindex);
    const Bytes octets = Bytes(room).first(static_cast<std::size_t>(got));
    const auto at = packet_at(octets, from.sll_hatype);
    const bool mine =
        from.sll_pkttype == PACKET_HOST || from.sll_pkttype == PACKET_OUTGOING || from.sll_pkttype == PACKET_MULTICAST;
    if (!at || *at >= octets.size() || !mine || std::ranges::find(inside_, device) != inside_.end()) continue;
    each({{octets.begin(), octets.end()}, *at, device, from.sll_pkttype == PACKET_OUTGOING});
  }
}

unsigned Capture::lost() const {
  tpacket_stats counts{};
  socklen_t size = sizeof counts;
  return getsockopt(fd_.get(), SOL_PACKET, PACKET_STATISTICS, &counts, &size) == 0 ? counts.tp_drops : 0;
}

bool Capture::send(const Frame& like, Bytes packet, bool back) const {
  std::vector<std::byte> octets(like.link().begin(), like.link().end());
  if (back && octets.size() >= 2 * ETH_ALEN)
    std::swap_ranges(octets.begin(), octets.begin() + ETH_ALEN, octets.begin() + ETH_ALEN);
  if (octets.size() >= ETH_HLEN) {
    const bool v6 = !packet.empty() && std::to_integer<unsigned>(packet[0]) >> 4 == 6;
    Writer(MutableBytes(octets).subspan(octets.size() - 2))
        .net(std::uint16_t{v6 ? std::uint16_t{ETH_P_IPV6} : std::uint16_t{ETH_P_IP}});
  }
  octets.insert(octets.end(), packet.begin(), packet.end());
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_ifindex = static_cast<int>(like.device);
  const bool v6 = !packet.empty() && std::to_integer<unsigned>(packet[0]) >> 4 == 6;
  to.sll_protocol = big_endian(std::uint16_t{v6 ? std::uint16_t{ETH_P_IPV6} : std::uint16_t{ETH_P_IP}});
  return sendto(fd_.get(), octets.data(), octets.size(), 0, interface_cast<sockaddr>(&to), sizeof to) ==
         static_cast<ssize_t>(octets.size());
}

}  // namespace ipseckey::probe
