// Packets through the packet path, and what the bare library does with the same bytes in the same run.
#include <benchmark/benchmark.h>
#include <openssl/evp.h>

#include <array>
#include <limits>
#include <string>
#include <vector>

#include "policy/testing.h"
#include "traffic/coalesce.h"
#include "traffic/segment.h"
#include "traffic/testing.h"

namespace ipseckey {

namespace {

using namespace traffic;
using namespace traffic::testing;

constexpr std::size_t kBatch = 32;

// A batch of packets that is put back into its buffers before each round.
struct Batch {
  Octets packet;
  std::vector<Octets> memory;
  std::array<Item, kBatch> items;

  explicit Batch(Octets p) : packet(std::move(p)), memory(kBatch, Octets(packet.size() + 256)) {}
  void reset() {
    for (std::size_t i = 0; i < kBatch; ++i) {
      std::ranges::copy(packet, memory[i].begin() + Packet::kHeadroom);
      items[i].packet = {memory[i], Packet::kHeadroom, packet.size()};
    }
  }
};

void count(benchmark::State& state, std::size_t size) {
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBatch));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kBatch * size));
}

// The first argument is the length of the inner packet; a tunnel, so that all of it is covered.
void protect_in_tunnel(benchmark::State& state, Wish wish) {
  const auto size = static_cast<std::size_t>(state.range(0));
  wish.tunnel = true;
  Host host({.workers = 1, .mtu = 9000, .random = nullptr});
  host.add(add(0x100, wish));
  Batch batch(datagram({.src = "10.1.0.1", .dst = "10.2.0.1", .size = size - 28}));
  for (auto _ : state) {
    batch.reset();
    host.worker.protect(batch.items, at(0));
    if (batch.items[0].cause != Cause::none) state.SkipWithError("dropped");
  }
  count(state, size);
}

void protect_gcm(benchmark::State& state) { protect_in_tunnel(state, {}); }
BENCHMARK(protect_gcm)->Arg(64)->Arg(1400);

// The same under N rules, by address; that of the packets is the last. `new`: each packet is of another connection, so
// that its rule is looked up.
void protect_by_rule(benchmark::State& state) {
  Host host({.workers = 1, .mtu = 9000, .random = nullptr});
  host.add(add(0x100, {.tunnel = true}));
  policy::Rules rules;
  for (std::int64_t i = 0; i + 1 < state.range(0); ++i)
    rules.push_back(policy::testing::drop_rule(fmt::format("172.{}.{}.{}/32", 16 + (i >> 16), i >> 8 & 255, i & 255)));
  policy::Protection gcm;
  gcm.cipher = policy::Choice{.number = 20, .min_bits = {}, .max_bits = {}};
  gcm.ends = policy::TunnelEnds{*parse_address("192.0.2.1"), *parse_address("192.0.2.2")};
  rules.push_back(policy::testing::rule(policy::Action::ipsec, gcm, "10.2.0.0/16"));
  host.plane.rules(std::make_shared<const policy::Lookup>(std::move(rules)));
  std::uint16_t port = 0;
  Batch batch(datagram({.src = "10.1.0.1", .dst = "10.2.0.1", .size = 36}));
  for (auto _ : state) {
    batch.reset();
    if (state.range(1) != 0)
      for (Item& item : batch.items) set(item.packet.bytes(), 20, ++port);
    host.worker.protect(batch.items, at(0));
    if (batch.items[0].cause != Cause::none) state.SkipWithError("dropped");
  }
  count(state, 64);
}
BENCHMARK(protect_by_rule)
    ->ArgNames({"rules", "new"})
    ->Args({1, 0})
    ->Args({10'000, 0})
    ->Args({1, 1})
    ->Args({10'000, 1});

// Packets that none of N SAs covers: all have the same networks, and each another port.
void drop_uncovered(benchmark::State& state) {
  constexpr std::uint16_t kFirst = 1000;
  Host host({.workers = 1, .mtu = 9000, .random = nullptr});
  for (std::uint16_t i = 0; i < state.range(0); ++i) {
    Message m = add(0x100u + i, {.tunnel = true});
    m.inner_dst->port = static_cast<std::uint16_t>(kFirst + i);
    m.inner_src->proto = m.inner_dst->proto = kUdp;
    host.add(std::move(m));
  }
  Batch batch(datagram({.src = "10.1.0.1", .dst = "10.2.0.1", .dst_port = kFirst - 1}));
  for (auto _ : state) {
    batch.reset();
    host.worker.protect(batch.items, at(0));
    if (batch.items[0].cause != Cause::no_sa) state.SkipWithError("not dropped");
  }
  count(state, batch.packet.size());
}
BENCHMARK(drop_uncovered)->Arg(1)->Arg(1000)->Arg(10'000)->Arg(60'000);

void unprotect_gcm(benchmark::State& state) {
  const auto size = static_cast<std::size_t>(state.range(0));
  Host here({.workers = 1, .mtu = 9000, .random = nullptr}), there;
  here.add(add(0x100, {.tunnel = true}));
  there.add(add(0x100, {.tunnel = true, .window = 0}));
  const Octets plain = datagram({.src = "10.1.0.1", .dst = "10.2.0.1", .size = size - 28});
  Batch batch(protect(here, plain).packet);
  for (auto _ : state) {
    batch.reset();
    there.worker.unprotect(batch.items, at(0));
    if (batch.items[0].cause != Cause::none) state.SkipWithError("dropped");
  }
  count(state, size);
}
BENCHMARK(unprotect_gcm)->Arg(64)->Arg(1400);

// One long packet, as the device passes it, through an SA in UDP: what the packet threads of both ends do for it apart
// from system calls. 48 segments of TCP, or 48 short datagrams.
struct Stream {
  static constexpr std::size_t kSegments = 48;
  Octets packet;
  Offload offload;
  std::vector<Octets> memory;
  std::vector<Item> items;

  explicit Stream(std::size_t payload) : memory(kSegments, Octets(1856)), items(kSegments) {
    const bool tcp = payload > 64;
    const std::size_t headers = tcp ? 52 : 28;
    offload = {.kind = tcp ? Offload::Kind::tcp : Offload::Kind::udp,
               .size = static_cast<std::uint16_t>(payload),
               .unsummed = true,
               .sum_at = 20,
               .field = static_cast<std::uint16_t>(tcp ? 16 : 6)};
    packet.resize(headers + payload * kSegments, std::byte{7});
    write_header(packet,
                 {.src = *parse_address("10.1.0.1"),
                  .dst = *parse_address("10.2.0.1"),
                  .protocol = tcp ? kTcp : kUdp,
                  .dont_fragment = true},
                 packet.size());
    if (tcp) set(packet, 32, std::uint16_t{0x8010});
    const auto length = static_cast<std::uint32_t>(packet.size() - 20);
    const std::uint32_t start = (tcp ? kTcp : kUdp) + length;
    set(packet, 20u + offload.field, static_cast<std::uint16_t>(~checksum(Bytes(packet).subspan(12, 8), start)));
  }
  void cut() {
    auto segments = Segments::of(packet, offload);
    for (std::size_t i = 0; i < kSegments; ++i) {
      items[i].packet = {memory[i], 0, 0};
      items[i].follows = segments->begun();
      segments->next(items[i].packet);
    }
  }
  void count(benchmark::State& state) const {
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kSegments));
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(packet.size()));
  }
};

void cut_and_protect(benchmark::State& state) {
  Host host({.workers = 1, .mtu = 1500, .random = nullptr});
  host.add(add(0x100, {.tunnel = true, .udp = true}));
  Stream stream(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    stream.cut();
    host.worker.protect(stream.items, at(0));
    if (stream.items[0].cause != Cause::none) state.SkipWithError("dropped");
  }
  stream.count(state);
}
BENCHMARK(cut_and_protect)->Arg(64)->Arg(1348);

void unprotect_and_join(benchmark::State& state) {
  Host here({.workers = 1, .mtu = 1500, .random = nullptr}), there;
  here.add(add(0x100, {.tunnel = true, .udp = true}));
  there.add(add(0x100, {.tunnel = true, .window = 0, .udp = true}));
  Stream stream(static_cast<std::size_t>(state.range(0)));
  stream.cut();
  here.worker.protect(stream.items, at(0));
  Octets sent;
  for (const Item& item : stream.items) {
    const Bytes esp = item.packet.bytes().subspan(28);
    sent.insert(sent.end(), esp.begin(), esp.end());
  }
  const Arrival told{.src = *parse_address("192.0.2.1"), .dst = *parse_address("192.0.2.2"), .protocol = kUdp};
  Coalescer coalescer;
  Octets piece(sent.size());
  const std::size_t each = sent.size() / Stream::kSegments;
  for (auto _ : state) {
    std::ranges::copy(sent, piece.begin());
    for (std::size_t i = 0; i < Stream::kSegments; ++i) {
      stream.items[i].packet = {MutableBytes(piece).subspan(i * each, each), 0, each};
      stream.items[i].told = &told;
    }
    there.worker.unprotect(stream.items, at(0));
    std::size_t packets = 0;
    coalescer.join(stream.items, [&](std::span<const MutableBytes>, const Offload&) { ++packets; });
    if (packets != 1) state.SkipWithError("not joined");
  }
  stream.count(state);
}
BENCHMARK(unprotect_and_join)->Arg(64)->Arg(1348);

// The second argument is the number of an integrity algorithm.
void protect_ah(benchmark::State& state) {
  protect_in_tunnel(state, {.encrypt = 0, .auth = static_cast<std::uint8_t>(state.range(1))});
}
constexpr std::int64_t kSha1 = 3, kSha256 = 5, kSha512 = 7;
BENCHMARK(protect_ah)->ArgsProduct({{64, 1400}, {kSha1, kSha256, kSha512}});

// The same bytes, copied and encrypted with one context whose key is set once.
void bare_gcm(benchmark::State& state) {
  const auto size = static_cast<std::size_t>(state.range(0));
  EVP_CIPHER_CTX* const x = EVP_CIPHER_CTX_new();
  std::array<unsigned char, 16> key{1}, tag{};
  std::array<unsigned char, 12> nonce{};
  std::array<unsigned char, 8> aad{};
  EVP_EncryptInit_ex(x, EVP_aes_128_gcm(), nullptr, key.data(), nullptr);
  const std::vector<unsigned char> plain(size + 4);
  std::vector<std::vector<unsigned char>> memory(kBatch, plain);
  for (auto _ : state) {
    for (auto& text : memory) {
      std::ranges::copy(plain, text.begin());
      int length = 0;
      ++nonce[4];
      EVP_EncryptInit_ex(x, nullptr, nullptr, nullptr, nonce.data());
      EVP_EncryptUpdate(x, nullptr, &length, aad.data(), aad.size());
      EVP_EncryptUpdate(x, text.data(), &length, text.data(), static_cast<int>(text.size()));
      EVP_EncryptFinal_ex(x, text.data(), &length);
      EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_GET_TAG, 16, tag.data());
    }
    benchmark::DoNotOptimize(tag);
  }
  EVP_CIPHER_CTX_free(x);
  count(state, size);
}
BENCHMARK(bare_gcm)->Arg(64)->Arg(1400);

// EVP's HMAC over as many bytes as AH covers of those packets: the outer header, AH with its ICV, the inner packet.
void bare_hmac(benchmark::State& state) {
  const auto size = static_cast<std::size_t>(state.range(0));
  const auto* const row = pfkey::find_algorithm(pfkey::AlgorithmKind::auth, static_cast<std::uint8_t>(state.range(1)));
  std::string digest = state.range(1) == kSha1 ? "SHA1" : state.range(1) == kSha256 ? "SHA256" : "SHA512";
  EVP_MAC* const mac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  EVP_MAC_CTX* const x = EVP_MAC_CTX_new(mac);
  const std::array<OSSL_PARAM, 2> parameters = {OSSL_PARAM_construct_utf8_string("digest", digest.data(), 0),
                                                OSSL_PARAM_construct_end()};
  const std::vector<unsigned char> key(row->max_bits / 8u, 1), packet(20 + 12 + row->icv + size);
  EVP_MAC_init(x, key.data(), key.size(), parameters.data());
  std::array<unsigned char, 64> icv{};
  for (auto _ : state) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      std::size_t length = 0;
      EVP_MAC_init(x, nullptr, 0, nullptr);
      EVP_MAC_update(x, packet.data(), packet.size());
      EVP_MAC_final(x, icv.data(), &length, icv.size());
    }
    benchmark::DoNotOptimize(icv);
  }
  EVP_MAC_CTX_free(x);
  EVP_MAC_free(mac);
  count(state, size);
}
BENCHMARK(bare_hmac)->ArgsProduct({{64, 1400}, {kSha1, kSha256, kSha512}});

}  // namespace

}  // namespace ipseckey
