// Writes the corpora of packets again: fuzz_packet_seeds FOLDER.
#include <filesystem>
#include <fstream>
#include <string>

#include "traffic/testing.h"

using namespace ipseckey;
using namespace traffic;
using namespace traffic::testing;

namespace {

void same_iv(MutableBytes out) { std::ranges::fill(out, std::byte{1}); }

void write(const std::string& folder, const std::string& name, Bytes octets) {
  std::filesystem::create_directories(folder);
  std::ofstream file(folder + "/" + name, std::ios::binary);
  for (const std::byte b : octets) file.put(static_cast<char>(b));
}

Octets after(std::uint8_t first, Bytes rest) {
  Octets all(1 + rest.size(), static_cast<std::byte>(first));
  std::ranges::copy(rest, all.begin() + 1);
  return all;
}

// The text encrypted with aes-ctr's key stream: the SA decrypts it to `plain` with a trailer.
Octets text_for(std::uint8_t spi, const Wish& wish, const Shape& shape) {
  Host host({.workers = 1, .mtu = 1500, .random = same_iv});
  host.add(add(spi, wish));
  const Octets packet = protect(host, datagram(shape)).packet;
  const std::size_t front = wish.udp ? 36 : 28;
  return after(spi, Bytes(packet).subspan(front + 8));
}

}  // namespace

int main(int, char** argv) {
  const std::string root = argv[1], parser = root + "/packet", arrival = root + "/unprotect";
  const Shape six{.src = "2001:db8::1", .dst = "2001:db8::2", .size = 20};
  const Octets four = datagram({.size = 20}), v6 = datagram(six);
  write(parser, "udp4", four);
  write(parser, "udp6", v6);
  write(parser, "big4", datagram({.size = 3000}));
  Octets extended(40 + 8 + 24 + 8 + 8);
  write_header(extended, {.src = *parse_address("2001:db8::1"), .dst = *parse_address("2001:db8::2"), .protocol = 0},
               extended.size());
  constexpr std::array<unsigned, 48> kRest = {43, 0, 1, 4, 0, 0, 0, 0, 60, 2, 0, 1, 0, 0, 0, 0};
  for (std::size_t i = 0; i < kRest.size(); ++i) extended[40 + i] = static_cast<std::byte>(kRest[i]);
  extended[72] = std::byte{17}, extended[74] = std::byte{1}, extended[75] = std::byte{4};
  write(parser, "extensions", extended);
  Held held(datagram({.size = 1000}));
  make_too_big(held.item.packet, 900, *parse_address("198.51.100.1"));
  write(parser, "icmp4", held.bytes());

  constexpr std::uint8_t kCtr = 13;
  write(arrival, "transport", text_for(1, {.encrypt = kCtr}, {.size = 20}));
  write(arrival, "tunnel4", text_for(2, {.encrypt = kCtr, .tunnel = true}, {.src = "10.1.0.1", .dst = "10.2.0.1"}));
  write(arrival, "tunnel6",
        text_for(3, {.encrypt = kCtr, .tunnel = true, .inner_src = "::", .inner_dst = "::", .prefix = 0}, six));
  write(arrival, "udp", text_for(4, {.encrypt = kCtr, .udp = true}, {.size = 20}));
  Host host({.workers = 1, .mtu = 1500, .random = same_iv});
  host.add(add(5, {.encrypt = 20}));
  write(arrival, "gcm", after(0, protect(host, four).packet));
  Host with_ah({.workers = 1, .mtu = 1500, .random = same_iv});
  with_ah.add(add(6, {.encrypt = 0, .auth = 5}));
  write(arrival, "ah4", after(0, protect(with_ah, four).packet));
  Host with_ah6({.workers = 1, .mtu = 1500, .random = same_iv});
  with_ah6.add(add(7, {.encrypt = 0, .auth = 3, .src = "2001:db8::1", .dst = "2001:db8::2"}));
  write(arrival, "ah6", after(0, protect(with_ah6, v6).packet));
  write(arrival, "plain", after(0, four));
  return 0;
}
