#pragma once
/// Messages for the tests of this folder, and bytes written in hexadecimal.
#include <chrono>
#include <string_view>
#include <vector>

#include "base/instant.h"
#include "base/text.h"
#include "pfkey/message.h"

namespace ipseckey::pfkey::samples {

/// "02 00 0a" as bytes; blanks are skipped.
inline std::vector<std::byte> hex(std::string_view digits) {
  std::vector<std::byte> out;
  int high = -1;
  for (const char c : digits) {
    if (c == ' ') continue;
    if (high < 0) {
      high = text::hex_digit(c);
    } else {
      out.push_back(static_cast<std::byte>(high * 16 + text::hex_digit(c)));
      high = -1;
    }
  }
  return out;
}

inline Key key(unsigned bits, unsigned reserved, std::string_view digits) {
  Key k;
  k.bits = static_cast<std::uint16_t>(bits), k.reserved = static_cast<std::uint16_t>(reserved);
  k.material = Secret(Bytes(hex(digits)));
  return k;
}

inline Endpoint endpoint(std::string_view address, unsigned port = 0, unsigned proto = 0, unsigned prefix = 0) {
  return {static_cast<std::uint8_t>(proto), static_cast<std::uint8_t>(prefix), *parse_address(address),
          static_cast<std::uint16_t>(port)};
}

inline Message header(Type type, SaType satype, std::uint32_t seq, std::uint32_t pid) {
  Message m;
  m.type = type, m.satype = satype, m.seq = seq, m.pid = pid;
  return m;
}

/// 2026-11-21 03:04:05 UTC.
inline Instant now() { return {{}, std::chrono::sys_seconds(std::chrono::seconds(1795230245))}; }

/// A mature outbound tunnel SA as GET and DUMP describe it, with AES-GCM, both kinds of limits, a pair and identities.
inline Message tunnel_sa() {
  Message m = header(Type::get, SaType::esp, 7, 4242);
  m.sa = Sa{0x2112, 64, State::mature, 5, 20, kFlagOutbound | kFlagTunnel | kFlagPaired | kFlagEalg1 | kFlagEalg2};
  m.current = Lifetime{0, 16000000, 1795230000, 1795230100};
  m.hard = Lifetime{0, 209715200, 28800, 0};
  m.soft = Lifetime{0, 104857600, 24000, 3000};
  m.idle = Lifetime{0, 0, 14400, 0};
  m.src = endpoint("192.0.2.1", 0, kProtoIpip);
  m.dst = endpoint("192.0.2.2", 0, kProtoIpip);
  m.inner_src = endpoint("10.1.0.0", 99, kProtoTcp, 16);
  m.inner_dst = endpoint("10.2.0.0", 0, kProtoTcp, 16);
  m.auth_key = key(256, 0, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
  m.encrypt_key = key(128, 32, "00112233445566778899aabbccddeeff a1b2c3d4");
  m.src_identity = Identity{IdentityType::fqdn, 0, "east.example.com"};
  m.dst_identity = Identity{IdentityType::user_fqdn, 0, "west\x1b[2J@example.com"};
  m.pair = Pair{0x2113};
  m.replay_value = ReplayValue{17, 0};
  return m;
}

/// A message with every extension there is, which no SADB would send.
inline Message everything() {
  Message m = tunnel_sa();
  m.error = 22, m.diagnostic = 18;
  m.natt_local = endpoint("203.0.113.5", 4500, kProtoUdp);
  m.natt_remote = endpoint("198.51.100.7", 4501, kProtoUdp);
  m.km_cookie = KmCookie{3, 0x0102030405060708};
  m.sensitivity = Sensitivity{1, 2, 0, 0, {0x8000000000000001}, {}};
  m.outer_sensitivity = Sensitivity{1, 3, 4, kSensImplicit, {1, 2}, {3}};
  m.proposal = Proposal{64, {Combination{2, 12, 1, 128, 128, 128, 256, 0, {0, 1048576, 24000, 0}, {5, 0, 28800, 60}}}};
  m.extended_proposal = ExtendedProposal{
      32,
      {ExtendedCombination{
           0, {}, {0, 0, 3600, 0}, {{SaType::ah, 1, 5, 0, 256, 256}, {SaType::esp, 2, 20, 32, 128, 256}}},
       ExtendedCombination{2, {}, {}, {}}}};
  m.supported_auth = Supported{{{5, 0, 256, 256, 0, 0}}};
  m.supported_encrypt = Supported{{{12, 16, 128, 256, 64, 0}, {20, 8, 128, 256, 64, 32}}};
  m.spi_range = SpiRange{0x100, 0xffffffff};
  m.extended_register = ExtendedRegister{{2, 3, 0, 0}};
  m.extended_dump = ExtendedDump{60};
  m.initial_iv = key(64, 0, "0123456789abcdef");
  m.reqid = Number{16385};
  m.mark = Mark{0x10, 0xff};
  m.if_id = Number{7};
  m.ah_align = Number{8};
  m.icv = Number{96};
  m.tfc_pad = Number{1400};
  m.output_mark = Mark{0x5, 0xf};
  m.device = Device{"eth1"};
  m.df = Number{kDfClear};
  m.dscp = Number{46};
  m.keepalive = Number{20};
  m.bundle = Number{3};
  m.replay_window = ReplayWindow{1024, true};
  m.offload = Offload{Offload::Mode::packet, "eth0"};
  m.traffic = Traffic{12, 1795230200, 1, 2, 3, 4, 5};
  m.remark = Remark{"the idle limits are not enforced"};
  return m;
}

}  // namespace ipseckey::pfkey::samples
