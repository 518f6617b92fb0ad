// The whole backend with a simulated kernel: pipelining, faults of the socket, GETSPI, listening.
#include "kernel/xfrm.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cerrno>
#include <fstream>
#include <map>

#include "backend/testing.h"
#include "kernel/detail/xfrm_attributes.h"
#include "kernel/detail/xfrm_encode.h"
#include "kernel/fake_kernel.h"
#include "pfkey/names.h"
#include "pfkey/notices.h"

namespace ipseckey::kernel {
namespace {

using pfkey::Message;
using pfkey::Type;
using testing::Datagram;
using ::testing::ElementsAre;
using testing::FakeKernel;
using ::testing::HasSubstr;
using testing::Octets;
using testing::Peer;
using testing::Request;

constexpr std::uint64_t kNow = 1'795'230'000;

Message request(Type type, std::uint32_t spi) {
  static std::uint32_t seq = 0;
  Message m;
  m.type = type, m.satype = pfkey::SaType::esp;
  m.seq = ++seq, m.pid = 4242;
  m.sa = pfkey::Sa{.spi = spi, .state = pfkey::State::mature};
  m.src = pfkey::Endpoint{.address = *parse_address("192.0.2.1")};
  m.dst = pfkey::Endpoint{.address = *parse_address("192.0.2.2")};
  return m;
}

Message add(std::uint32_t spi) {
  Message m = request(Type::add, spi);
  m.sa->encrypt = 20;
  m.encrypt_key = pfkey::Key{160, 0, Secret(20)};
  m.encrypt_key->material.bytes()[0] = std::byte{1};
  return m;
}

// As the kernel reports it.
Octets told(Message m) {
  NetlinkBatch batch;
  xfrm::put_sa(m, XFRM_MSG_NEWSA, {}, batch);
  const Bytes bytes = batch.bytes().subspan(sizeof(nlmsghdr));
  Octets out(bytes.begin(), bytes.end());
  auto info = *xfrm::front<xfrm_usersa_info>(out);
  info.curlft.add_time = kNow;
  std::memcpy(out.data(), &info, sizeof info);
  return out;
}

// A backend and its simulated kernel.
class Bench {
 public:
  explicit Bench(FakeKernel::Answer answer) : kernel_(std::move(answer)) {
    XfrmWorld world;
    world.connect = [this](bool listening) -> Result<Netlink> {
      if (listening) return events.client();
      return kernel_.client();
    };
    world.side_table = folder / "beside/sadb.db";
    world.clock = [] { return Instant{{}, std::chrono::sys_seconds(std::chrono::seconds(kNow))}; };
    world.random = [] { return 5u; };
    world.device_index = [](const std::string& name) { return std::string_view(name.c_str()) == "eth3" ? 3u : 0u; };
    world.has_type = [](pfkey::SaType, Family) { return Presence::missing; };
    sadb = std::move(*Xfrm::open(std::move(world)));
  }

  // By request: errno, or what a reply contains.
  Result<void> call(std::vector<Message> requests) {
    return sadb->call(requests, [&](std::size_t i, Message&& m) {
      replies[i] = std::move(m);
      order.push_back(i);
    });
  }
  int error(std::size_t i) { return replies.contains(i) ? replies[i].error : -1; }
  std::string remark(std::size_t i) { return replies[i].remark ? replies[i].remark->text : ""; }

  backend::testing::TempFolder folder;
  Peer events;
  std::map<std::size_t, Message> replies;
  std::vector<std::size_t> order;

 private:
  FakeKernel kernel_;

 public:
  std::unique_ptr<Xfrm> sadb;  // Destroyed first, so that the kernel's thread ends.
};

std::vector<Message> list(auto&&... messages) {
  std::vector<Message> all;
  (all.push_back(std::move(messages)), ...);
  return all;
}

// How the kernel reports to its listeners that the SA was deleted: its name, its structure, and next to that its
// attributes.
Octets gone(std::uint32_t spi, std::uint64_t number) {
  Message m = add(spi);
  m.replay_value = pfkey::ReplayValue::of(number);
  const Octets whole = told(std::move(m));
  auto id = xfrm::zeroed<xfrm_usersa_id>();
  const auto info = *xfrm::front<xfrm_usersa_info>(whole);
  id.daddr = info.id.daddr, id.spi = info.id.spi, id.family = info.family, id.proto = info.id.proto;
  Octets out;
  testing::append(out, id);
  testing::append(out, nlattr{sizeof(nlattr) + sizeof info, XFRMA_SA});
  testing::append(out, info);
  out.insert(out.end(), whole.begin() + sizeof info, whole.end());
  return out;
}

Message deletion(std::uint32_t spi, bool asks) {
  Message m = request(Type::del, spi);
  m.src.reset();
  if (asks) m.replay_value = pfkey::ReplayValue{};
  return m;
}

// Packets flow until an SA is removed; the kernel reports that before it answers.
TEST(XfrmDelete, ReturnsTheLastNumberOnRequest) {
  Peer* events = nullptr;
  Bench b([&](const std::vector<Request>& requests, Peer& peer) {
    for (const Request& r : requests) {
      const auto id = *xfrm::front<xfrm_usersa_id>(r.payload);
      const std::uint32_t spi = big_endian(id.spi);
      events->say(Datagram().message(XFRM_MSG_DELSA, 0, 0, gone(spi + 0x100, 1)));  // Of another SA.
      events->say(Datagram().message(XFRM_MSG_DELSA, 0, r.seq, gone(spi, spi - 0x1000)));
      peer.say(Datagram().verdict(r.seq, 0));
    }
  });
  events = &b.events;
  ASSERT_TRUE(b.call(list(deletion(0x1005, true), deletion(0x1000, true), deletion(0x1007, false))));
  ASSERT_EQ(b.order, (std::vector<std::size_t>{0, 1, 2}));
  EXPECT_EQ(b.replies[0].replay_value, pfkey::ReplayValue::of(5));
  EXPECT_EQ(b.replies[1].replay_value, pfkey::ReplayValue{});
  EXPECT_EQ(b.replies[2].replay_value, std::nullopt);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(b.remark(i), "") << i;
}

TEST(XfrmDelete, RemarksThatTheKernelDidNotReportTheLastNumber) {
  Bench b([](const std::vector<Request>& requests, Peer& peer) {
    for (const Request& r : requests) peer.say(Datagram().verdict(r.seq, 0));
  });
  ASSERT_TRUE(b.call(list(deletion(0x1005, true))));
  EXPECT_EQ(b.replies[0].replay_value, std::nullopt);
  EXPECT_EQ(b.remark(0), "the kernel did not report the SA's last sequence number");
}

TEST(XfrmPipeline, EachFailureGoesToItsRequestInWhateverOrderTheKernelAnswers) {
  Bench b([](const std::vector<Request>& requests, Peer& peer) {
    ASSERT_EQ(requests.size(), 4u);  // One send.
    peer.say(Datagram().verdict(requests[3].seq, 0).verdict(requests[1].seq, EEXIST));
    peer.say(Datagram().verdict(requests[2].seq, ENOMEM).verdict(requests[0].seq, 0));
  });
  EXPECT_TRUE(b.call(list(add(1), add(2), add(3), add(4))));
  EXPECT_THAT(b.order, ElementsAre(0, 1, 2, 3));
  EXPECT_EQ(b.error(0), 0);
  EXPECT_EQ(b.error(1), EEXIST);
  EXPECT_EQ(b.error(2), ENOMEM);
  EXPECT_EQ(b.remark(2), "the kernel is out of memory");
  EXPECT_EQ(b.error(3), 0);
}

TEST(XfrmPipeline, ARequestRefusedBeforehandKeepsItsPositionAmongTheReplies) {
  Bench b([](const std::vector<Request>& requests, Peer& peer) {
    ASSERT_EQ(requests.size(), 2u);
    peer.say(Datagram().verdict(requests[0].seq, 0).verdict(requests[1].seq, 0));
  });
  Message bad = add(2);
  bad.encrypt_key.reset();
  EXPECT_TRUE(b.call(list(add(1), std::move(bad), add(3))));
  EXPECT_THAT(b.order, ElementsAre(0, 1, 2));
  EXPECT_EQ(b.error(1), EINVAL);
  EXPECT_EQ(b.replies[1].diagnostic, static_cast<std::uint16_t>(pfkey::Diagnostic::missing_ekey));
}

TEST(XfrmPipeline, VerdictsAreReportedEvenIfTheRestIsTruncated) {
  Bench b([](const std::vector<Request>& requests, Peer& peer) {
    peer.say(Datagram().verdict(requests[2].seq, EPERM));
    peer.say(Datagram().verdict(requests[0].seq, 0), 1);
  });
  const auto done = b.call(list(add(1), add(2), add(3)));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Errc::malformed);
  EXPECT_THAT(b.order, ElementsAre(2));
  EXPECT_EQ(b.error(2), EPERM);
  EXPECT_EQ(b.remark(2), "it needs CAP_NET_ADMIN in this network namespace: run it as root");
}

TEST(XfrmPipeline, WithoutEspInTheKernelARefusedAlgorithmIsReportedAsAMissingProtocol) {
  Bench b([](const std::vector<Request>& requests, Peer& peer) {
    peer.say(Datagram().verdict(requests[0].seq, ENOSYS, "Requested AEAD algorithm not found"));
  });
  EXPECT_TRUE(b.call(list(add(1))));
  EXPECT_EQ(b.remark(0),
            "the kernel says: Requested AEAD algorithm not found; this kernel has no ESP: module esp4 is missing; "
            "`modprobe esp4`");
}

TEST(XfrmPipeline, AGetReturnsTheSaAndAShortAnswerIsARefusal) {
  Bench b([](const std::vector<Request>& requests, Peer& peer) {
    if (requests[0].flags & NLM_F_DUMP) {  // Whether an SA exists whose name is similar to the third one's.
      peer.say(Datagram().done(requests[0].seq));
      return;
    }
    const Octets sa = told(add(1));
    peer.say(Datagram().message(XFRM_MSG_NEWSA, 0, requests[0].seq, sa).verdict(requests[0].seq, 0));
    peer.say(Datagram()
                 .message(XFRM_MSG_NEWSA, 0, requests[1].seq, Bytes(sa).first(sizeof(xfrm_usersa_info) - 8))
                 .verdict(requests[1].seq, 0)
                 .verdict(requests[2].seq, ESRCH));
  });
  EXPECT_TRUE(b.call(list(request(Type::get, 1), request(Type::get, 2), request(Type::get, 3))));
  EXPECT_EQ(b.error(0), 0);
  EXPECT_EQ(b.replies[0].encrypt_key->bits, 128);
  EXPECT_EQ(b.error(1), EBADMSG);
  EXPECT_EQ(b.remark(1), "the kernel's answer is not an SA");
  EXPECT_EQ(b.error(2), ESRCH);
}

// 192.0.2.1 is the source of told(), which has no mark; the kernel itself ignores the source, and finds the SA by any
// mark.
TEST(XfrmPipeline, AnSaFromAnotherSourceIsNotTheOneMeant) {
  std::vector<int> asked;
  Bench b([&](const std::vector<Request>& requests, Peer& peer) {
    for (const Request& r : requests) {
      asked.push_back(r.type);
      Datagram answer;
      if (r.type == XFRM_MSG_GETSA) answer.message(XFRM_MSG_NEWSA, 0, r.seq, told(add(1)));
      peer.say(answer.verdict(r.seq, 0));
    }
  });
  std::vector<Message> requests;
  for (const Type type : {Type::get, Type::del, Type::update, Type::x_updatepair, Type::x_delpair}) {
    requests.push_back(request(type, 1));
    requests.back().src->address = *parse_address("192.0.2.9");
  }
  for (const Type type : {Type::get, Type::del, Type::update}) {
    requests.push_back(request(type, 1));
    requests.back().mark = pfkey::Mark{9, UINT32_MAX};
  }
  requests.push_back(request(Type::del, 1));
  EXPECT_TRUE(b.call(std::move(requests)));
  for (std::size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(b.error(i), ESRCH) << i;
    EXPECT_EQ(b.replies[i].diagnostic, static_cast<std::uint16_t>(pfkey::Diagnostic::sa_notfound)) << i;
  }
  EXPECT_EQ(b.error(8), 0);
  std::vector<int> wanted(9, XFRM_MSG_GETSA);
  wanted.push_back(XFRM_MSG_DELSA);
  EXPECT_EQ(asked, wanted);
}

TEST(XfrmPipeline, OffloadNamesTheDeviceByItsIndex) {
  std::vector<xfrm_user_offload> seen;
  Bench b([&](const std::vector<Request>& requests, Peer& peer) {
    for (const Request& r : requests) {
      seen.push_back(*xfrm::Attributes(r.payload, sizeof(xfrm_usersa_info)).get<xfrm_user_offload>(XFRMA_OFFLOAD_DEV));
      peer.say(Datagram().verdict(r.seq, 0));
    }
  });
  Message in = add(1), out = add(2), nowhere = add(3), cut = add(4), bound = add(5);
  in.sa->flags = pfkey::kFlagInbound, out.sa->flags = pfkey::kFlagOutbound;
  in.offload = pfkey::Offload{pfkey::Offload::Mode::crypto, "eth3"};
  out.offload = pfkey::Offload{pfkey::Offload::Mode::packet, "eth3"};
  nowhere.offload = pfkey::Offload{pfkey::Offload::Mode::crypto, "eth4"};
  // The system reads a name up to its NUL.
  cut.offload = pfkey::Offload{pfkey::Offload::Mode::crypto, std::string("eth3\0b", 6)};
  bound.device = pfkey::Device{std::string("eth3\0b", 6)};
  EXPECT_TRUE(b.call(list(std::move(in), std::move(out), std::move(nowhere), std::move(cut), std::move(bound))));
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0].ifindex, 3);
  EXPECT_EQ(seen[0].flags, XFRM_OFFLOAD_INBOUND);
  EXPECT_EQ(seen[1].flags, xfrm::kOffloadPacket);
  EXPECT_EQ(b.error(2), ENODEV);
  EXPECT_EQ(b.remark(2), "there is no network device eth4");
  for (const std::size_t i : {3u, 4u}) {
    EXPECT_EQ(b.error(i), ENODEV);
    EXPECT_EQ(b.remark(i), "there is no network device eth3\\x00b");
  }
}

TEST(XfrmRequests, GetspiTriesTheNextSpiIfOneIsInUse) {
  std::vector<std::uint32_t> asked;
  Bench b([&](const std::vector<Request>& requests, Peer& peer) {
    const auto wanted = xfrm::front<xfrm_userspi_info>(requests[0].payload);
    EXPECT_EQ(wanted->min, wanted->max);
    asked.push_back(wanted->min);
    peer.say(Datagram().verdict(requests[0].seq, asked.size() == 1 ? EEXIST : asked.size() == 2 ? ENOENT : 0));
  });
  Message m = request(Type::getspi, 0);
  m.sa.reset();
  m.spi_range = pfkey::SpiRange{.min = 0x100, .max = 0x107};
  EXPECT_TRUE(b.call(list(std::move(m))));
  EXPECT_THAT(asked, ElementsAre(0x105, 0x106, 0x107));  // The random start is 5.
  EXPECT_EQ(b.error(0), 0);
  EXPECT_EQ(b.replies[0].sa->spi, 0x107u);
  EXPECT_FALSE(b.replies[0].spi_range);
}

TEST(XfrmRequests, MessagesThatTheKernelDoesNotSupportAreRefused) {
  Bench b([](const std::vector<Request>&, Peer&) { FAIL() << "the kernel was asked"; });
  EXPECT_TRUE(b.call(list(request(Type::x_inverse_acquire, 1), request(Type::x_delpair_state, 1))));
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(b.error(i), EOPNOTSUPP);
    EXPECT_EQ(b.remark(i), "the kernel's SADB does not support this message");
  }
}

TEST(XfrmRequests, GetspiStopsAtTheEndOfTheRange) {
  std::size_t asked = 0;
  Bench b([&](const std::vector<Request>& requests, Peer& peer) {
    ++asked;
    peer.say(Datagram().verdict(requests[0].seq, EEXIST));
  });
  Message few = request(Type::getspi, 0), backwards = request(Type::getspi, 0);
  few.spi_range = pfkey::SpiRange{.min = 7, .max = 9}, backwards.spi_range = pfkey::SpiRange{.min = 9, .max = 7};
  EXPECT_TRUE(b.call(list(std::move(few), std::move(backwards))));
  EXPECT_EQ(asked, 3u);
  EXPECT_EQ(b.error(0), EEXIST);
  EXPECT_EQ(b.remark(0), "every SPI that was tried is in use");
  EXPECT_EQ(b.error(1), EINVAL);
}

TEST(XfrmRequests, AnInterruptedDumpIsReturnedOnceAndComplete) {
  int tries = 0;
  Bench b([&](const std::vector<Request>& requests, Peer& peer) {
    const std::uint32_t seq = requests[0].seq;
    if (++tries == 1) {
      peer.say(Datagram().message(XFRM_MSG_NEWSA, NLM_F_MULTI, seq, told(add(1))).done(seq, NLM_F_DUMP_INTR));
    } else {
      peer.say(Datagram().message(XFRM_MSG_NEWSA, NLM_F_MULTI, seq, told(add(1))));
      peer.say(Datagram().message(XFRM_MSG_NEWSA, NLM_F_MULTI, seq, told(add(2))).done(seq));
    }
  });
  Message dump = request(Type::dump, 0);
  dump.sa.reset(), dump.src.reset(), dump.dst.reset();
  std::vector<Message> requests = list(std::move(dump));
  std::vector<std::uint32_t> spis;
  EXPECT_TRUE(b.sadb->call(requests, [&](std::size_t, Message&& m) { spis.push_back(m.sa ? m.sa->spi : 0); }));
  EXPECT_EQ(tries, 2);
  EXPECT_THAT(spis, ElementsAre(2, 1, 0));  // Oldest first; the end has none.
}

TEST(XfrmRequests, ADumpOfATypeIsFilteredByTheKernel) {
  std::vector<Octets> asked;
  Bench b([&](const std::vector<Request>& requests, Peer& peer) {
    asked.push_back(requests[0].payload);
    peer.say(Datagram().done(requests[0].seq));
  });
  for (const auto type : {pfkey::SaType::unspec, pfkey::SaType::ah, pfkey::SaType::esp}) {
    Message dump;
    dump.type = Type::dump, dump.satype = type, dump.seq = 1;
    EXPECT_TRUE(b.call(list(std::move(dump))));
  }
  ASSERT_EQ(asked.size(), 3u);
  EXPECT_TRUE(asked[0].empty());
  // The kernel reads the attributes of this message from its very beginning.
  EXPECT_EQ(xfrm::Attributes(asked[1], 0).get<std::uint8_t>(XFRMA_PROTO), IPPROTO_AH);
  EXPECT_EQ(xfrm::Attributes(asked[2], 0).get<std::uint8_t>(XFRMA_PROTO), IPPROTO_ESP);
}

TEST(XfrmPairs, NothingIsAddedIfAPairCannotBeStored) {
  Bench b([](const std::vector<Request>&, Peer&) { FAIL() << "the kernel was asked"; });
  std::ofstream(b.folder / "beside") << "in the way";
  Message m = add(1);
  m.pair = pfkey::Pair{2};
  EXPECT_TRUE(b.call(list(std::move(m))));
  EXPECT_EQ(b.error(0), EIO);
  EXPECT_THAT(b.remark(0), HasSubstr("where pairs and identities of the kernel's SAs are kept"));
}

TEST(XfrmPairs, AnSaForBothDirectionsHasNoPair) {
  Bench b([](const std::vector<Request>&, Peer&) { FAIL() << "the kernel was asked"; });
  Message m = add(1);
  m.sa->flags = pfkey::kFlagInbound | pfkey::kFlagOutbound;
  m.pair = pfkey::Pair{2};
  EXPECT_TRUE(b.call(list(std::move(m))));
  EXPECT_EQ(b.error(0), EINVAL);
  EXPECT_EQ(b.remark(0), "an SA for both directions cannot have a pair: give inbound or outbound");
}

TEST(XfrmPairs, APartnerWithTheSameDirectionIsReported) {
  Bench b([](const std::vector<Request>& requests, Peer& peer) {
    const auto name = xfrm::front<xfrm_usersa_id>(requests[0].payload);
    const bool same_way = xfrm::from_kernel(name->daddr, AF_INET) == *parse_address("192.0.2.2");
    Datagram answer;
    if (same_way) answer.message(XFRM_MSG_NEWSA, 0, requests[0].seq, told(add(2)));
    peer.say(answer.verdict(requests[0].seq, same_way ? 0 : ESRCH));
  });
  Message m = add(1);
  m.sa->flags = pfkey::kFlagInbound;
  m.pair = pfkey::Pair{2};
  EXPECT_TRUE(b.call(list(std::move(m))));
  EXPECT_EQ(b.error(0), EINVAL);
  EXPECT_EQ(b.remark(0), pfkey::kSameWayRound);
}

TEST(XfrmPairs, AnSaWhosePartnerIsMissingIsNotAdded) {
  Bench b([](const std::vector<Request>& requests, Peer& peer) {
    EXPECT_EQ(requests[0].type, XFRM_MSG_GETSA);
    peer.say(Datagram().verdict(requests[0].seq, ESRCH));
  });
  Message m = add(1);
  m.sa->flags = pfkey::kFlagInbound;
  m.pair = pfkey::Pair{2};
  EXPECT_TRUE(b.call(list(std::move(m))));
  EXPECT_EQ(b.error(0), EINVAL);
  EXPECT_EQ(b.replies[0].diagnostic, static_cast<std::uint16_t>(pfkey::Diagnostic::pair_inappropriate));
}

TEST(XfrmMonitor, ALossIsAGapFollowedByTheCurrentSas) {
  Bench b([](const std::vector<Request>& requests, Peer& peer) {
    const std::uint32_t seq = requests[0].seq;
    peer.say(Datagram().message(XFRM_MSG_NEWSA, NLM_F_MULTI, seq, told(add(7))).done(seq));
  });
  xfrm_usersa_flush flush{};
  flush.proto = IPPROTO_ESP;
  b.events.say(Datagram().message(XFRM_MSG_FLUSHSA, 0, 0, xfrm::bytes_of(flush)));
  b.events.say(Datagram().message(XFRM_MSG_NEWSA, 0, 0, told(add(6))), 100);  // Truncated: the rest of it is lost.
  b.events.say(Datagram().message(XFRM_MSG_FLUSHSA, 0, 0, xfrm::bytes_of(flush)));
  std::vector<std::string> heard;
  EXPECT_TRUE(backend::testing::hear(*b.sadb, true, -1, [&](Message&& m) {
    EXPECT_FALSE(m.encrypt_key);
    heard.push_back(fmt::format("{} {}", static_cast<int>(m.type), m.sa ? m.sa->spi : 0));
    return heard.size() < 6;
  }));
  const auto line = [](Type type, int spi) { return fmt::format("{} {}", static_cast<int>(type), spi); };
  EXPECT_EQ(heard.size(), 6u);
  EXPECT_EQ(heard[0], line(Type::x_promisc, 0));
  EXPECT_EQ(heard[1], line(Type::flush, 0));
  EXPECT_EQ(heard[2], line(Type::flush, 0));
  EXPECT_EQ(heard[3], line(Type::reserved, 0));  // The gap.
  EXPECT_EQ(heard[4], line(Type::dump, 7));
  EXPECT_EQ(heard[5], line(Type::dump, 0));  // The end of the list.
}

TEST(XfrmMonitor, AListenerSignalsEventsWhileCallsContinue) {
  Bench b([](const std::vector<Request>& requests, Peer& peer) {
    peer.say(Datagram().message(XFRM_MSG_NEWSA, 0, requests[0].seq, told(add(7))).verdict(requests[0].seq, 0));
  });
  std::vector<std::string> heard;
  const auto note = [&](Message&& m) {
    heard.push_back(fmt::format("{} {}", pfkey::name(m.type), m.sa ? m.sa->spi : 0));
  };
  const auto listener = b.sadb->listen(false).value();
  EXPECT_FALSE(backend::testing::readable(listener->descriptor()));
  EXPECT_TRUE(listener->next(note));
  EXPECT_TRUE(listener->next(note));
  EXPECT_THAT(std::exchange(heard, {}), ElementsAre("X_PROMISC 0"));
  b.events.say(Datagram().message(XFRM_MSG_NEWSA, 0, 0, told(add(6))));
  EXPECT_TRUE(backend::testing::readable(listener->descriptor(), backend::testing::kDeadline));
  EXPECT_TRUE(b.call(list(request(Type::get, 7))));
  EXPECT_EQ(b.error(0), 0);
  EXPECT_TRUE(listener->next(note));
  EXPECT_THAT(std::exchange(heard, {}), ElementsAre("ADD 6"));
  EXPECT_FALSE(backend::testing::readable(listener->descriptor()));
  b.events.say(Datagram().message(XFRM_MSG_NEWSA, 0, 0, told(add(5))));
  EXPECT_TRUE(listener->end());
  EXPECT_EQ(listener->descriptor(), -1);
  EXPECT_TRUE(listener->next(note));
  EXPECT_THAT(heard, ElementsAre());
}

}  // namespace
}  // namespace ipseckey::kernel
