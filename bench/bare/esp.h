#pragma once
/// ESP without a cipher: the header, the trailer and the room of AES-GCM, so that as many octets move as with it.
#include <sys/uio.h>

#include <algorithm>

#include "bytes.h"

namespace bare {

inline constexpr std::size_t kEspHeader = 16;  ///< SPI, sequence number, IV.
inline constexpr std::size_t kIcv = 16;

/// How many octets ESP of a packet of `size` has.
inline constexpr std::size_t esp_size(std::size_t size) {
  return kEspHeader + size + ((0 - (size + 2)) & 3) + 2 + kIcv;
}

/// Fills in what surrounds the packet of `size` octets at `esp + kEspHeader`.
inline void close_esp(Octet* esp, std::size_t size, std::uint32_t number) {
  const std::uint32_t header[] = {htonl(0x1000), htonl(number), 0, htonl(number)};
  std::memcpy(esp, header, sizeof header);
  Octet* const tail = esp + kEspHeader + size;
  const auto padding = static_cast<Octet>((0 - (size + 2)) & 3);
  for (Octet i = 0; i < padding; ++i) tail[i] = static_cast<Octet>(i + 1);
  tail[padding] = padding;
  tail[padding + 1] = IPPROTO_IPIP;
  std::memset(tail + padding + 2, 0, kIcv);
}

/// Cuts what the device passed into packets, and hands each to the way out.
template <class Way>
class Cutter {
 public:
  explicit Cutter(Way& way) : way_(way) {}

  void take(Octet* read, std::size_t size) {
    const auto& offload = at<Offload>(read);
    Octet* const packet = read + sizeof(Offload);
    size -= sizeof(Offload);
    if (size < sizeof(iphdr) || packet[0] >> 4 != 4) return;
    if ((offload.type & ~kEcn) == kTcp4) return cut(packet, size, offload.segment);
    if (offload.flags & kNeedsSum) finish_sum(packet, size, offload);
    Octet* const esp = way_.slot(esp_size(size));
    std::memcpy(esp + kEspHeader, packet, size);
    close(esp, size);
  }

 private:
  static void finish_sum(Octet* packet, std::size_t size, const Offload& offload) {
    Octet* const content = packet + offload.sum_start;
    const std::size_t length = size - offload.sum_start;
    auto& check = at<std::uint16_t>(content + offload.sum_offset);
    check = 0;
    check = static_cast<std::uint16_t>(~folded(sum(content, length, pseudo_sum(packet, length))));
  }

  void cut(Octet* packet, std::size_t size, std::size_t most) {
    const std::size_t ip = at<iphdr>(packet).ihl * 4u, header = ip + at<tcphdr>(packet + ip).doff * 4u;
    const std::uint32_t first = ntohl(at<tcphdr>(packet + ip).seq);
    const unsigned id = ntohs(at<iphdr>(packet).id);
    for (std::size_t from = header, n = 0; from < size; from += most, ++n) {
      const std::size_t length = std::min(most, size - from);
      Octet* const esp = way_.slot(esp_size(header + length));
      Octet* const piece = esp + kEspHeader;
      std::memcpy(piece, packet, header);
      std::memcpy(piece + header, packet + from, length);
      at<iphdr>(piece).id = big(id + static_cast<unsigned>(n));
      set_length(piece, header + length);
      auto& tcp = at<tcphdr>(piece + ip);
      tcp.seq = htonl(first + static_cast<std::uint32_t>(from - header));
      if (from + length < size) tcp.fin = tcp.psh = 0;
      tcp.check = 0;
      tcp.check = static_cast<std::uint16_t>(
          ~folded(sum(piece + ip, header + length - ip, pseudo_sum(piece, header + length - ip))));
      close(esp, header + length);
    }
  }

  void close(Octet* esp, std::size_t size) {
    close_esp(esp, size, ++number_);
    way_.commit(esp_size(size));
  }

  Way& way_;
  std::uint32_t number_ = 0;
};

/// Takes packets out of ESP and writes them to the device, consecutive TCP segments as one. The packets must stay where
/// they are until flush().
class Joiner {
 public:
  explicit Joiner(int tun) : tun_(tun) {}

  void take(Octet* esp, std::size_t size) {
    if (size < kEspHeader + sizeof(iphdr) + 2 + kIcv) return;
    const std::size_t around = kEspHeader + kIcv + 2u + esp[size - kIcv - 2];
    if (size > around) deliver(esp + kEspHeader, size - around);
  }

  void flush() {
    if (parts_ == 1) return;
    Offload offload{};
    if (count_ > 1) {
      const std::size_t ip = at<iphdr>(head_).ihl * 4u;
      set_length(head_, size_);
      at<tcphdr>(head_ + ip).check = folded(pseudo_sum(head_, size_ - ip));
      offload = {.flags = kNeedsSum,
                 .type = kTcp4,
                 .header = static_cast<std::uint16_t>(header_),
                 .segment = static_cast<std::uint16_t>(segment_),
                 .sum_start = static_cast<std::uint16_t>(ip),
                 .sum_offset = offsetof(tcphdr, check)};
    }
    part_[0] = {&offload, sizeof offload};
    if (writev(tun_, part_, static_cast<int>(parts_)) < 0 && errno != EINVAL) must(errno == EIO, "write to the device");
    parts_ = 1, count_ = 0, open_ = false;
  }

 private:
  static constexpr std::size_t kMost = 64, kLongest = 65'000;

  // The length of the headers of a TCP segment with content and only ACK and PSH, whose checksum is right; 0: anything
  // else.
  static std::size_t segment_header(Octet* packet, std::size_t size) {
    const std::size_t ip = at<iphdr>(packet).ihl * 4u;
    if (packet[9] != IPPROTO_TCP || size < ip + sizeof(tcphdr)) return 0;
    const std::size_t header = ip + at<tcphdr>(packet + ip).doff * 4u;
    if (size <= header || (packet[ip + 13] & ~TH_PUSH) != TH_ACK) return 0;
    return folded(sum(packet + ip, size - ip, pseudo_sum(packet, size - ip))) == 0xffff ? header : 0;
  }

  bool continues(Octet* packet, std::size_t header, std::size_t length) const {
    const std::size_t ip = sizeof(iphdr);
    return open_ && header == header_ && length <= segment_ && size_ + length <= kLongest && parts_ < kMost &&
           ntohl(at<tcphdr>(packet + ip).seq) == next_ && std::memcmp(packet + 12, head_ + 12, 8 + 4) == 0 &&
           std::memcmp(packet + ip + 8, head_ + ip + 8, 4) == 0 &&
           std::memcmp(packet + ip + 20, head_ + ip + 20, header - ip - 20) == 0;
  }

  void deliver(Octet* packet, std::size_t size) {
    const std::size_t header = segment_header(packet, size), length = size - header, ip = sizeof(iphdr);
    const bool push = header != 0 && at<tcphdr>(packet + ip).psh;
    if (header != 0 && continues(packet, header, length)) {
      part_[parts_++] = {packet + header, length};
      size_ += length, next_ += static_cast<std::uint32_t>(length), ++count_;
      if (push) at<tcphdr>(head_ + ip).psh = 1;
    } else {
      flush();
      head_ = packet, part_[parts_++] = {packet, size}, size_ = size, count_ = 1, header_ = header, segment_ = length;
      if (header != 0) next_ = ntohl(at<tcphdr>(packet + ip).seq) + static_cast<std::uint32_t>(length);
      open_ = header != 0;
    }
    if (push || length < segment_) open_ = false;
  }

  int tun_;
  iovec part_[kMost + 1];
  std::size_t parts_ = 1, count_ = 0, size_ = 0, header_ = 0, segment_ = 0;
  std::uint32_t next_ = 0;
  Octet* head_ = nullptr;
  bool open_ = false;
};

}  // namespace bare
