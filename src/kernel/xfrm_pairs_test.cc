// Directions that were not specified, and pairs: with a kernel that holds SAs, and in a check with its rules.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cerrno>
#include <map>

#include "backend/testing.h"
#include "kernel/check.h"
#include "kernel/detail/xfrm_attributes.h"
#include "kernel/detail/xfrm_encode.h"
#include "kernel/fake_kernel.h"
#include "kernel/xfrm.h"
#include "pfkey/notices.h"

namespace ipseckey::kernel {
namespace {

using pfkey::Message;
using pfkey::Type;
using testing::Datagram;
using ::testing::ElementsAre;
using testing::FakeKernel;
using ::testing::IsEmpty;
using testing::Octets;
using testing::Peer;
using testing::Request;

constexpr std::uint32_t kIn = pfkey::kFlagInbound, kOut = pfkey::kFlagOutbound, kWays = kIn | kOut;
constexpr std::uint64_t kNow = 1'795'230'000;

// SAs by SPI and destination, as Linux holds them: without pairs and, before 6.10, without directions.
struct Held {
  std::map<std::pair<std::uint32_t, Address>, Octets> sas;

  void answer(const std::vector<Request>& requests, Peer& peer) {
    for (const Request& r : requests) {
      Datagram out;
      if (r.type == XFRM_MSG_NEWSA) {
        auto info = *xfrm::front<xfrm_usersa_info>(r.payload);
        info.curlft.add_time = kNow;
        Octets sa = r.payload;
        std::memcpy(sa.data(), &info, sizeof info);
        sas[{big_endian(info.id.spi), xfrm::from_kernel(info.id.daddr, info.family)}] = sa;
        peer.say(out.verdict(r.seq, 0));
        continue;
      }
      const auto id = *xfrm::front<xfrm_usersa_id>(r.payload);
      const auto at = sas.find({big_endian(id.spi), xfrm::from_kernel(id.daddr, id.family)});
      if (r.type == XFRM_MSG_GETSA && at != sas.end()) out.message(XFRM_MSG_NEWSA, 0, r.seq, at->second);
      peer.say(out.verdict(r.seq, at == sas.end() ? ESRCH : 0));
      if (r.type == XFRM_MSG_DELSA && at != sas.end()) sas.erase(at);
    }
  }
};

pfkey::Endpoint at(const char* address) { return {.address = *parse_address(address)}; }

// From .1 to .2, or the reverse if the SPI is even.
Message add(std::uint32_t spi, std::uint32_t flags = 0) {
  static std::uint32_t seq = 0;
  Message m;
  m.type = Type::add, m.satype = pfkey::SaType::esp;
  m.seq = ++seq, m.pid = 4242;
  m.sa = pfkey::Sa{.spi = spi, .state = pfkey::State::mature, .flags = flags};
  m.sa->encrypt = 20;
  m.encrypt_key = pfkey::Key{160, 0, Secret(20)};
  m.encrypt_key->material.bytes()[0] = std::byte{1};
  m.src = at(spi % 2 ? "192.0.2.1" : "192.0.2.2"), m.dst = at(spi % 2 ? "192.0.2.2" : "192.0.2.1");
  return m;
}

Message get(std::uint32_t spi) {
  Message m = add(spi);
  m.type = Type::get;
  m.sa->flags = 0, m.encrypt_key.reset();
  return m;
}

Message update(std::uint32_t spi) {
  Message m = get(spi);
  m.type = Type::update;
  return m;
}

Message paired(Message m, std::uint32_t with) {
  m.pair = pfkey::Pair{with};
  return m;
}

// A SADB's answer to each request: 0, or the error.
std::vector<std::string> said(backend::Backend& sadb, std::vector<Message> requests) {
  std::vector<std::string> all(requests.size(), "no answer");
  const auto done = sadb.call(requests, [&](std::size_t i, Message&& m) {
    all[i] = m.error == 0 ? "" : fmt::format("{} {} {}", int{m.error}, m.diagnostic, m.remark ? m.remark->text : "");
  });
  EXPECT_TRUE(done);
  return all;
}

std::vector<Message> list(auto&&... messages) {
  std::vector<Message> all;
  (all.push_back(std::move(messages)), ...);
  return all;
}

std::function<bool(const Address&)> only(const char* own) {
  return [own = parse_address(own)](const Address& a) { return own == a; };
}

// The kernel's backend, and the check that must predict it, on a host with this address.
struct Both {
  explicit Both(const char* own) : kernel([this](const auto& requests, Peer& peer) { held.answer(requests, peer); }) {
    const auto world = [this, own] {
      XfrmWorld w;
      w.side_table = folder / "beside/sadb.db";
      w.clock = now;
      w.is_local = only(own);
      w.device_index = [](const std::string&) { return 0u; };
      return w;
    };
    XfrmWorld real = world();
    real.connect = [this](bool) -> Result<Netlink> { return kernel.client(); };
    sadb = std::move(*Xfrm::open(std::move(real)));
    check =
        open_check({.is_local = only(own), .random = {}, .usable = {}, .only_asked_directions = true}, now, world());
  }
  static Instant now() { return {{}, std::chrono::sys_seconds(std::chrono::seconds(kNow))}; }

  // Both report it.
  std::vector<std::string> run(auto make) {
    const auto real = said(*sadb, make());
    EXPECT_EQ(said(*check, make()), real);
    return real;
  }
  std::uint32_t flags(std::uint32_t spi) {
    std::uint32_t found = UINT32_MAX;
    Message m = get(spi);
    EXPECT_TRUE(sadb->call({&m, 1}, [&](std::size_t, Message&& answer) { found = answer.sa->flags; }));
    return found & (kWays | pfkey::kFlagPaired);
  }

  backend::testing::TempFolder folder;
  Held held;
  FakeKernel kernel;
  std::unique_ptr<Xfrm> sadb;  // Destroyed first, so that the kernel's thread ends.
  std::unique_ptr<backend::Backend> check;
};

TEST(XfrmDirections, FollowFromTheHostsOwnAddresses) {
  Both b("192.0.2.1");
  EXPECT_THAT(b.run([] { return list(add(1), add(2), add(3, kIn)); }), ElementsAre("", "", ""));
  EXPECT_EQ(b.flags(1), kOut);
  EXPECT_EQ(b.flags(2), kIn);
  EXPECT_EQ(b.flags(3), kIn);  // As requested.
  const Octets& sa = b.held.sas.at({1, *parse_address("192.0.2.2")});
  EXPECT_EQ(xfrm::Attributes(sa, sizeof(xfrm_usersa_info)).get<std::uint8_t>(xfrm::kSaDirection), xfrm::kDirectionOut);
}

TEST(XfrmDirections, NatPortsAreRestoredAsSpecified) {
  Both b("192.0.2.1");
  const auto natted = [](std::uint32_t spi) {
    Message m = add(spi);
    m.natt_local = at("0.0.0.0"), m.natt_remote = at("10.9.0.2");
    m.natt_local->port = 4500, m.natt_remote->port = 4501;
    return m;
  };
  EXPECT_THAT(b.run([&] { return list(natted(1), natted(2)); }), ElementsAre("", ""));
  for (const std::uint32_t spi : {1u, 2u}) {
    Message m = get(spi);
    EXPECT_TRUE(b.sadb->call({&m, 1}, [&](std::size_t, Message&& sa) {
      EXPECT_EQ(sa.natt_local->port, 4500) << spi;
      EXPECT_EQ(sa.natt_remote->port, 4501) << spi;
    }));
  }
  const auto encap = xfrm::Attributes(b.held.sas.at({2, *parse_address("192.0.2.1")}), sizeof(xfrm_usersa_info))
                         .get<xfrm_encap_tmpl>(XFRMA_ENCAP);
  EXPECT_EQ(big_endian(encap->encap_sport), 4501);  // Inbound packets come from the peer's port.
}

TEST(XfrmPairs, DirectionsNeedNotBeSpecified) {
  const struct {
    const char* own;
    std::uint32_t first, second, held_first, held_second;
  } rows[] = {
      {"192.0.2.1", 0, 0, kOut, kIn},      {"192.0.2.2", 0, 0, kIn, kOut},      {"203.0.113.7", 0, 0, 0, 0},
      {"203.0.113.7", kOut, 0, kOut, kIn}, {"203.0.113.7", 0, kOut, kIn, kOut}, {"192.0.2.1", kOut, kIn, kOut, kIn},
  };
  for (const bool late : {false, true})
    for (const auto& row : rows) {
      SCOPED_TRACE(fmt::format("{} {} {} {}", row.own, row.first, row.second, late));
      Both b(row.own);
      const auto pair = [&] {
        return late ? list(add(1, row.first), add(2, row.second), paired(update(2), 1))
                    : list(add(1, row.first), paired(add(2, row.second), 1));
      };
      EXPECT_THAT(b.run(pair), ::testing::Each(""));
      EXPECT_EQ(b.flags(1), row.held_first | pfkey::kFlagPaired);
      EXPECT_EQ(b.flags(2), row.held_second | pfkey::kFlagPaired);
    }
}

TEST(XfrmPairs, TwoSasWithTheSameDirectionAreNotAPair) {
  for (const auto& [own, first, second] : {std::tuple("203.0.113.7", kOut, kOut), std::tuple("192.0.2.1", 0u, kOut)}) {
    Both b(own);
    EXPECT_THAT(b.run([&] { return list(add(1, first), paired(add(2, second), 1)); }),
                ElementsAre("", fmt::format("22 73 {}", pfkey::kSameDirection)));
    EXPECT_EQ(b.held.sas.size(), 1u);
  }
  Both b("192.0.2.1");
  EXPECT_THAT(
      b.run([&] { return list(add(1, kWays), paired(add(2), 1), paired(add(4, kWays), 1)); }),
      ElementsAre("", fmt::format("22 73 {}", pfkey::kServesBoth), fmt::format("22 73 {}", pfkey::kServesBoth)));
}

// ---- other answers of a check with the kernel's rules

std::unique_ptr<backend::Backend> check(std::function<std::optional<Lack>(const Message&)> lacks = {}) {
  XfrmWorld world;
  world.clock = Both::now;
  world.lacks = std::move(lacks);
  world.device_index = [](const std::string& name) { return name == "eth3" ? 3u : 0u; };
  return open_check({.is_local = {}, .random = {}, .usable = {}, .only_asked_directions = true}, Both::now,
                    std::move(world));
}

TEST(KernelCheck, RefusesWhatTheKernelsBackendRefuses) {
  Message iv = add(1), idle = add(3), esn = add(5), reqid = update(7);
  iv.encrypt_key = pfkey::Key{224, 64, Secret(28)};
  iv.encrypt_key->material.bytes()[0] = std::byte{1};
  idle.sa->state = pfkey::State::active_elsewhere;
  esn.replay_window = pfkey::ReplayWindow{0, true};
  reqid.reqid = pfkey::Number{8};
  EXPECT_THAT(said(*check(), list(std::move(iv), std::move(idle), std::move(esn), add(7), std::move(reqid))),
              ElementsAre("95 33 the kernel chooses IVs itself, so reserved_bits has no effect: leave it out",
                          "22 43 the kernel's SAs are mature from the start",
                          "22 81 extended sequence numbers need a replay window: give `replay N`", "",
                          "95 0 `reqid` cannot be changed after the SA was added"));
}

TEST(KernelCheck, AcceptsWhatTheKernelAcceptsBeyondOurEngine) {
  Message natted = add(1), card = add(3), no_card = add(5);
  natted.src = at("2001:db8::1"), natted.dst = at("2001:db8::2"), natted.natt_remote = at("fd00::9");
  card.offload = pfkey::Offload{pfkey::Offload::Mode::crypto, "eth3"};
  no_card.offload = pfkey::Offload{pfkey::Offload::Mode::crypto, "eth4"};
  const auto sadb = check();
  EXPECT_THAT(said(*sadb, list(std::move(natted), std::move(card), std::move(no_card))),
              ElementsAre("", "", "19 0 there is no network device eth4"));
  Message held = get(3);
  EXPECT_TRUE(sadb->call({&held, 1}, [](std::size_t, Message&& m) {
    EXPECT_EQ(m.offload, (pfkey::Offload{pfkey::Offload::Mode::crypto, "eth3"}));
  }));
}

TEST(KernelCheck, RefusesWhatThisKernelLacksInItsWords) {
  const auto sadb = check([](const Message& m) -> std::optional<Lack> {
    if (m.sa->spi == 1) return Lack{ENOSYS, "Requested AEAD algorithm not found", false};
    if (m.sa->spi == 3) return Lack{EPROTONOSUPPORT, "", true};
    return std::nullopt;
  });
  EXPECT_THAT(said(*sadb, list(add(1), add(3), add(5))),
              ElementsAre(::testing::StartsWith("38 "),
                          "93 4 this kernel has no ESP: module esp4 is missing; `modprobe esp4`", ""));
}

}  // namespace
}  // namespace ipseckey::kernel
