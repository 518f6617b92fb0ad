#pragma once
/// What the benchmarks work on: one SA of the kind that bench/make_keys prints.
#include <algorithm>
#include <cstdint>
#include <string>

#include "pfkey/message.h"

namespace ipseckey::bench {

inline pfkey::Key key(std::size_t bytes, std::byte fill) {
  pfkey::Key k;
  k.bits = static_cast<std::uint16_t>(bytes * 8);
  k.material = Secret(bytes);
  std::ranges::fill(k.material.bytes(), fill);
  return k;
}

/// ADD of an ESP SA, AES-256-CBC with HMAC-SHA-256; another SPI (host order) makes another SA.
inline pfkey::Message add(std::uint32_t spi) {
  pfkey::Message m;
  m.type = pfkey::Type::add;
  m.satype = pfkey::SaType::esp;
  m.seq = spi, m.pid = 1;
  m.sa = pfkey::Sa{.spi = spi, .replay = 0, .state = pfkey::State::mature, .auth = 5, .encrypt = 12, .flags = 0};
  m.hard = pfkey::Lifetime{.allocations = 0, .bytes = 0, .addtime = 28800, .usetime = 0};
  m.src = pfkey::Endpoint{.proto = 0, .prefix = 0, .address = *parse_address("10.0.0.1"), .port = 0};
  m.dst = pfkey::Endpoint{.proto = 0, .prefix = 0, .address = *parse_address("10.1.2.3"), .port = 0};
  m.encrypt_key = key(32, std::byte{0x5a});
  m.auth_key = key(32, std::byte{0xa5});
  return m;
}

/// The same in the command language.
inline std::string line() {
  return "add esp spi 0x00001000 src 10.0.0.1 dst 10.1.2.3 encralg aes-cbc encrkey " + std::string(64, '5') +
         " authalg sha256 authkey " + std::string(64, 'a') + " hard_addtime 28800";
}

}  // namespace ipseckey::bench
