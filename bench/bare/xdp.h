#pragma once
/// Raw ESP: out through AF_XDP, without a BPF program; in through a raw socket, whose reader naps to get batches.
#include <linux/if_ether.h>
#include <linux/if_xdp.h>
#include <sys/mman.h>

#include <array>
#include <atomic>
#include <ctime>
#include <vector>

#include "esp.h"

namespace bare {

/// Frames of an AF_XDP socket that only sends.
class XdpWay {
 public:
  XdpWay(const char* device, const char* remote_mac, const char* local, const char* remote) {
    open(device);
    prepare(device, remote_mac, local, remote);
    for (std::uint64_t i = 0; i < kFrames; ++i) free_.push_back(i * kFrame);
  }

  Octet* slot(std::size_t) {
    while (free_.empty()) {
      reap();
      if (free_.empty()) kick();
    }
    frame_ = free_.back();
    free_.pop_back();
    return area_ + frame_ + sizeof front_;
  }
  void commit(std::size_t size) {
    Octet* const start = area_ + frame_;
    std::memcpy(start, front_, sizeof front_);
    set_length(start + sizeof(ethhdr), sizeof(iphdr) + size);
    while (made_ - consumer(tx_) == kFrames) kick();
    tx_.entries[made_++ % kFrames] = {
        .addr = frame_, .len = static_cast<std::uint32_t>(sizeof front_ + size), .options = 0};
    std::atomic_ref(*tx_.producer).store(made_, std::memory_order_release);
  }
  void flush() { kick(), reap(); }

 private:
  static constexpr std::uint32_t kFrames = 4096;
  static constexpr std::uint64_t kFrame = 2048;

  template <class Entry>
  struct Ring {
    std::uint32_t *producer, *consumer, *flags;
    Entry* entries;
  };
  template <class Entry>
  static std::uint32_t consumer(const Ring<Entry>& ring) {
    return std::atomic_ref(*ring.consumer).load(std::memory_order_acquire);
  }

  template <class Entry>
  Ring<Entry> map(const xdp_ring_offset& offset, std::uint64_t page) const {
    const std::size_t size = offset.desc + kFrames * sizeof(Entry);
    void* const memory =
        mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd_, static_cast<off_t>(page));
    must(memory != MAP_FAILED, "a ring of AF_XDP");
    auto* const start = static_cast<Octet*>(memory);
    return {reinterpret_cast<std::uint32_t*>(start + offset.producer),
            reinterpret_cast<std::uint32_t*>(start + offset.consumer),
            reinterpret_cast<std::uint32_t*>(start + offset.flags), reinterpret_cast<Entry*>(start + offset.desc)};
  }
  void set(int name, const auto& value) const {
    must(setsockopt(fd_, SOL_XDP, name, &value, sizeof value) == 0, "a setting of AF_XDP");
  }

  void open(const char* device) {
    fd_ = socket(AF_XDP, SOCK_RAW, 0);
    must(fd_ >= 0, "AF_XDP");
    area_ = static_cast<Octet*>(
        mmap(nullptr, kFrames * kFrame, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0));
    must(area_ != MAP_FAILED, "memory for frames");
    xdp_umem_reg memory{};
    memory.addr = reinterpret_cast<std::uint64_t>(area_), memory.len = kFrames * kFrame, memory.chunk_size = kFrame;
    set(XDP_UMEM_REG, memory);
    for (const int ring : {XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING, XDP_TX_RING}) set(ring, kFrames);
    xdp_mmap_offsets offsets{};
    socklen_t size = sizeof offsets;
    must(getsockopt(fd_, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &size) == 0, "XDP_MMAP_OFFSETS");
    tx_ = map<xdp_desc>(offsets.tx, XDP_PGOFF_TX_RING);
    done_ = map<std::uint64_t>(offsets.cr, XDP_UMEM_PGOFF_COMPLETION_RING);
    sockaddr_xdp address{};
    address.sxdp_family = AF_XDP, address.sxdp_ifindex = if_nametoindex(device);
    address.sxdp_flags = XDP_COPY | XDP_USE_NEED_WAKEUP;
    must(bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0, device);
  }

  void prepare(const char* device, const char* remote_mac, const char* local, const char* remote) {
    auto& ethernet = at<ethhdr>(front_);
    unsigned mac[ETH_ALEN];
    must(std::sscanf(remote_mac, "%x:%x:%x:%x:%x:%x", mac, mac + 1, mac + 2, mac + 3, mac + 4, mac + 5) == ETH_ALEN,
         remote_mac);
    for (int i = 0; i < ETH_ALEN; ++i) ethernet.h_dest[i] = static_cast<Octet>(mac[i]);
    ifreq request{};
    std::snprintf(request.ifr_name, sizeof request.ifr_name, "%s", device);
    const int any = socket(AF_INET, SOCK_DGRAM, 0);
    must(ioctl(any, SIOCGIFHWADDR, &request) == 0, device);
    std::memcpy(ethernet.h_source, request.ifr_hwaddr.sa_data, ETH_ALEN);
    ethernet.h_proto = htons(ETH_P_IP);
    auto& ip = at<iphdr>(front_ + sizeof(ethhdr));
    ip.version = 4, ip.ihl = 5, ip.ttl = 64, ip.protocol = IPPROTO_ESP, ip.frag_off = htons(IP_DF);
    must(inet_pton(AF_INET, local, &ip.saddr) == 1 && inet_pton(AF_INET, remote, &ip.daddr) == 1, "addresses");
  }

  // The kernel takes 32 frames at a time.
  void kick() {
    while (consumer(tx_) != made_) {
      if (sendto(fd_, nullptr, 0, MSG_DONTWAIT, nullptr, 0) < 0)
        must(errno == EAGAIN || errno == EBUSY || errno == ENOBUFS || errno == ENETDOWN, "sendto");
      reap();
    }
  }
  void reap() {
    const std::uint32_t end = std::atomic_ref(*done_.producer).load(std::memory_order_acquire);
    for (; reaped_ != end; ++reaped_) free_.push_back(done_.entries[reaped_ % kFrames]);
    std::atomic_ref(*done_.consumer).store(reaped_, std::memory_order_release);
  }

  int fd_ = -1;
  Octet* area_ = nullptr;
  Ring<xdp_desc> tx_{};
  Ring<std::uint64_t> done_{};
  std::uint32_t made_ = 0, reaped_ = 0;
  std::uint64_t frame_ = 0;
  std::vector<std::uint64_t> free_;
  Octet front_[sizeof(ethhdr) + sizeof(iphdr)]{};
};

inline int open_raw() {
  const int fd = socket(AF_INET, SOCK_RAW, IPPROTO_ESP), room = 16 << 20;
  must(fd >= 0, "a raw socket");
  must(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) == 0, "SO_RCVBUFFORCE");
  return fd;
}

/// Reads packets until the process ends. After a short batch it naps, so that the next one is longer.
inline void receive_raw(int fd, Joiner& joiner) {
  constexpr unsigned kPackets = 128, kShort = 48;
  constexpr std::size_t kPacket = 2048;
  constexpr long kNap = 50'000;  // Nanoseconds.
  std::vector<Octet> memory(kPackets * kPacket);
  std::array<mmsghdr, kPackets> message{};
  std::array<iovec, kPackets> part{};
  for (unsigned i = 0; i < kPackets; ++i) {
    part[i] = {memory.data() + i * kPacket, kPacket};
    message[i].msg_hdr.msg_iov = &part[i], message[i].msg_hdr.msg_iovlen = 1;
  }
  while (true) {
    const int got = recvmmsg(fd, message.data(), kPackets, MSG_WAITFORONE, nullptr);
    if (got < 0) must(errno == EINTR, "recvmmsg");
    for (int i = 0; i < got; ++i) {
      auto* const packet = static_cast<Octet*>(part[static_cast<unsigned>(i)].iov_base);
      const std::size_t header = at<iphdr>(packet).ihl * 4u;
      joiner.take(packet + header, message[static_cast<unsigned>(i)].msg_len - header);
    }
    joiner.flush();
    if (got > 1 && got < static_cast<int>(kShort)) {
      const timespec nap{0, kNap};
      nanosleep(&nap, nullptr);
    }
  }
}

}  // namespace bare
