// Requests whose name almost matches an SA of the kernel.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cerrno>

#include "backend/testing.h"
#include "kernel/detail/xfrm_attributes.h"
#include "kernel/detail/xfrm_encode.h"
#include "kernel/fake_kernel.h"
#include "kernel/xfrm.h"

namespace ipseckey::kernel {
namespace {

using pfkey::Message;
using pfkey::Type;
using testing::Datagram;
using testing::FakeKernel;
using testing::Octets;
using testing::Peer;
using testing::Request;

Message named(Type type, pfkey::SaType satype, const char* src, std::uint32_t mark) {
  static std::uint32_t seq = 0;
  Message m;
  m.type = type, m.satype = satype;
  m.seq = ++seq, m.pid = 4242;
  m.sa = pfkey::Sa{.spi = 7, .state = pfkey::State::mature};
  m.dst = pfkey::Endpoint{.address = *parse_address("192.0.2.2")};
  if (*src) m.src = pfkey::Endpoint{.address = *parse_address(src)};
  if (mark != 0) m.mark = pfkey::Mark{mark, UINT32_MAX};
  return m;
}

// The only SA: ESP from 192.0.2.1, mark 0x10.
Octets the_sa() {
  Message m = named(Type::add, pfkey::SaType::esp, "192.0.2.1", 0x10);
  m.sa->encrypt = 20;
  m.encrypt_key = pfkey::Key{160, 0, Secret(20)};
  NetlinkBatch batch;
  xfrm::put_sa(m, XFRM_MSG_NEWSA, {}, batch);
  const Bytes bytes = batch.bytes().subspan(sizeof(nlmsghdr));
  return {bytes.begin(), bytes.end()};
}

// Found in Linux's way: by type, SPI, destination and a mark that matches.
void answer(const Request& r, Peer& peer, int& walks) {
  const Octets sa = the_sa();
  if (r.flags & NLM_F_DUMP) {
    ++walks;
    const auto filter = xfrm::Attributes(r.payload, 0).get<xfrm_address_filter>(XFRMA_ADDRESS_FILTER);
    ASSERT_TRUE(filter);
    EXPECT_EQ(filter->dplen, 32);
    EXPECT_EQ(xfrm::from_kernel(filter->daddr, filter->family), *parse_address("192.0.2.2"));
    peer.say(Datagram().message(XFRM_MSG_NEWSA, NLM_F_MULTI, r.seq, sa).done(r.seq));
    return;
  }
  const auto id = *xfrm::front<xfrm_usersa_id>(r.payload);
  const auto mark = xfrm::Attributes(r.payload, sizeof id).get<xfrm_mark>(XFRMA_MARK);
  const bool fits = id.proto == IPPROTO_ESP && mark && mark->v == 0x10;
  Datagram out;
  if (fits && r.type == XFRM_MSG_GETSA) out.message(XFRM_MSG_NEWSA, 0, r.seq, sa);
  peer.say(out.verdict(r.seq, fits ? 0 : ESRCH));
}

struct Bench {
  Bench()
      : kernel([this](const std::vector<Request>& all, Peer& peer) {
          for (const Request& r : all) answer(r, peer, walks);
        }) {
    XfrmWorld world;
    world.connect = [this](bool) -> Result<Netlink> { return kernel.client(); };
    world.side_table = folder / "beside/sadb.db";
    world.clock = [] { return Instant{}; };
    sadb = std::move(*Xfrm::open(std::move(world)));
  }
  std::string said(Message m) {
    std::string text = "no answer";
    EXPECT_TRUE(sadb->call({&m, 1}, [&](std::size_t, Message&& reply) {
      text = reply.remark ? reply.remark->text : "";
      EXPECT_EQ(reply.error, ESRCH);
      EXPECT_EQ(reply.diagnostic, static_cast<std::uint16_t>(pfkey::Diagnostic::sa_notfound));
    }));
    return text;
  }

  backend::testing::TempFolder folder;
  int walks = 0;
  FakeKernel kernel;
  std::unique_ptr<Xfrm> sadb;  // Destroyed first, so that the kernel's thread ends.
};

TEST(XfrmNear, EveryRefusalNamesTheWordThatDiffers) {
  using enum pfkey::SaType;
  for (const Type type : {Type::get, Type::del, Type::update, Type::x_updatepair, Type::x_delpair}) {
    SCOPED_TRACE(static_cast<int>(type));
    Bench b;
    EXPECT_EQ(b.said(named(type, esp, "192.0.2.9", 0x10)), "there is one with src 192.0.2.1");
    EXPECT_EQ(b.said(named(type, esp, "", 0)), "there is one with mark 0x10");
    EXPECT_EQ(b.said(named(type, esp, "192.0.2.9", 3)), "there is one with src 192.0.2.1 and mark 0x10");
    EXPECT_EQ(b.said(named(type, ah, "", 0x10)), "there is one with SA type esp");
    Message other = named(type, esp, "", 0x10);
    other.sa->spi = 8;
    other.mark.reset();
    EXPECT_EQ(b.said(std::move(other)), "");
  }
}

TEST(XfrmNear, AFileOfUnknownNamesIsNotSearchedForEachOfThem) {
  Bench b;
  for (int i = 0; i < 200; ++i) b.said(named(Type::get, pfkey::SaType::esp, "", 0));
  EXPECT_EQ(b.walks, 64);
}

}  // namespace
}  // namespace ipseckey::kernel
