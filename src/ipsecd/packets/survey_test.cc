/// Which questions a survey asks the kernel, and which roads it publishes, with a kernel made of tables.
#include "ipsecd/packets/survey.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

namespace ipseckey::ipsecd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Address at(std::string_view text) { return *parse_address(text); }

constexpr unsigned kCable = 5;

class FakeKernel : public RoadSource {
 public:
  bool list(absl::FunctionRef<void(const RoadNews&)> each) override {
    ++lists;
    for (const RoadNews& one : tables) each(one);
    return complete;
  }
  std::optional<RouteFacts> route(const Address& to) override {
    asked.push_back(to_string(to));
    return routes;
  }
  void confirm(unsigned, const Address& neighbour) override { confirmed.push_back(to_string(neighbour)); }

  std::vector<std::string> take_asked() {
    std::ranges::sort(asked);
    return std::exchange(asked, {});
  }

  std::vector<RoadNews> tables = {
      LinkNews{kCable, {.name = "cable", .ethernet = true, .up = true, .mtu = 1500}},
      NeighbourNews{kCable, at("192.0.2.2"), {.known = true, .address = {std::byte{2}}}},
  };
  std::optional<RouteFacts> routes = RouteFacts{.unicast = true, .link = kCable};
  bool complete = true;
  int lists = 0;
  std::vector<std::string> asked, confirmed;
};

struct SurveyTest : ::testing::Test {
  void SetUp() override {
    survey.begin();
    survey.settle();
  }
  Detour detour(std::string_view to) {
    const auto roads = board.roads();
    const auto found = roads->to.find(at(to));
    return found == roads->to.end() ? Detour::unasked : found->second.judged.detour;
  }
  void ask(std::string_view to) {
    board.ask(at(to));
    survey.ask(board.take_asked());
    survey.settle();
  }
  void tell(const RoadNews& news) {
    survey.news(news);
    survey.settle();
  }
  void use(std::string_view to) { board.roads()->to.at(at(to)).used->store(true); }

  FakeKernel kernel;
  RoadBoard board;
  Survey survey{kernel, board};
};

TEST_F(SurveyTest, EachDestinationMeansOneQuestion) {
  EXPECT_TRUE(survey.idle());
  EXPECT_EQ(detour("192.0.2.2"), Detour::unasked);
  const auto before = board.serial();
  ask("192.0.2.2");
  EXPECT_FALSE(survey.idle());
  EXPECT_EQ(detour("192.0.2.2"), Detour::none);
  EXPECT_EQ(board.roads()->to.at(at("192.0.2.2")).link, "cable");
  EXPECT_EQ(board.serial(), before + 1);
  ask("192.0.2.2");
  EXPECT_EQ(board.serial(), before + 1);
  EXPECT_THAT(kernel.take_asked(), ElementsAre("192.0.2.2"));
}

TEST_F(SurveyTest, AQuestionCallsTheThread) {
  EXPECT_THAT(board.take_asked(), IsEmpty());
  board.ask(at("192.0.2.2"));
  board.ask(at("192.0.2.3"));
  EXPECT_THAT(board.take_asked(), ElementsAre(at("192.0.2.2"), at("192.0.2.3")));
}

TEST_F(SurveyTest, NeighboursOpenAndCloseRoads) {
  ask("192.0.2.3");
  EXPECT_EQ(detour("192.0.2.3"), Detour::no_neighbour);
  tell(NeighbourNews{kCable, at("192.0.2.3"), {.known = true}});
  EXPECT_EQ(detour("192.0.2.3"), Detour::none);
  tell(NeighbourNews{kCable, at("192.0.2.3"), {.known = false}});
  EXPECT_EQ(detour("192.0.2.3"), Detour::no_neighbour);
  EXPECT_THAT(kernel.take_asked(), ElementsAre("192.0.2.3")) << "the route is the same";
}

TEST_F(SurveyTest, ChangesOfOneRoadArePublishedAndNothingElseIs) {
  ask("192.0.2.2");
  const auto before = board.serial();
  tell(NeighbourNews{kCable, at("192.0.2.77"), {.known = true}});
  tell(LinkNews{9, {.name = "other", .ethernet = true, .up = true, .mtu = 1500}});
  EXPECT_EQ(board.serial(), before);
  tell(LinkNews{kCable, {.name = "cable", .ethernet = true, .up = true, .mtu = 1400}});
  EXPECT_EQ(board.serial(), before + 1);
  EXPECT_EQ(board.roads()->to.at(at("192.0.2.2")).judged.road.mtu, 1400u);
}

TEST_F(SurveyTest, RoutesAreAskedAgainIfAChangeConcernsThem) {
  ask("192.0.2.2"), ask("198.51.100.1");
  kernel.take_asked();
  tell(RouteNews{at("203.0.113.0"), 24});
  EXPECT_THAT(kernel.take_asked(), IsEmpty());
  tell(RouteNews{at("198.51.100.0"), 24});
  EXPECT_THAT(kernel.take_asked(), ElementsAre("198.51.100.1"));
  kernel.routes = std::nullopt;
  tell(RouteNews{at("0.0.0.0"), 0});
  EXPECT_THAT(kernel.take_asked(), ElementsAre("192.0.2.2", "198.51.100.1"));
  EXPECT_EQ(detour("192.0.2.2"), Detour::no_route);
  for (const RoadNews& all : {RoadNews(OtherRoutes{}), RoadNews(LinkNews{9, {}}), RoadNews(LinkGone{9})}) {
    tell(all);
    EXPECT_THAT(kernel.take_asked(), ElementsAre("192.0.2.2", "198.51.100.1"));
  }
}

TEST_F(SurveyTest, AnObstacleClosesAllRoads) {
  ask("192.0.2.2");
  for (const Detour why : {Detour::firewall, Detour::none, Detour::kernel_policies}) {
    survey.obstacle(why);
    survey.settle();
    EXPECT_EQ(detour("192.0.2.2"), why);
  }
  const auto before = board.serial();
  survey.obstacle(Detour::kernel_policies);
  survey.settle();
  EXPECT_EQ(board.serial(), before);
}

TEST_F(SurveyTest, AfterLostNewsEverythingIsReadAgainAndMeanwhileNoRoadIsOpen) {
  ask("192.0.2.2");
  kernel.take_asked();
  survey.begin();
  EXPECT_EQ(detour("192.0.2.2"), Detour::unsure);
  survey.settle();
  EXPECT_EQ(detour("192.0.2.2"), Detour::none);
  EXPECT_EQ(kernel.lists, 2);
  EXPECT_THAT(kernel.take_asked(), ElementsAre("192.0.2.2"));
}

TEST_F(SurveyTest, TablesThatCannotBeReadAreTriedAgain) {
  kernel.complete = false;
  ask("192.0.2.2");
  survey.begin();
  survey.settle();
  EXPECT_EQ(detour("192.0.2.2"), Detour::unsure);
  kernel.complete = true;
  survey.tick();
  survey.settle();
  EXPECT_EQ(detour("192.0.2.2"), Detour::none);
}

TEST_F(SurveyTest, ANeighbourInUseIsConfirmed) {
  ask("192.0.2.2");
  survey.tick();
  EXPECT_THAT(kernel.confirmed, IsEmpty());
  tell(NeighbourNews{kCable, at("192.0.2.2"), {.known = true, .stale = true, .address = {std::byte{2}}}});
  survey.tick();
  EXPECT_THAT(kernel.confirmed, IsEmpty()) << "nothing was sent since the last tick";
  use("192.0.2.2");
  survey.tick();
  EXPECT_THAT(kernel.confirmed, ElementsAre("192.0.2.2"));
  kernel.routes->gateway = at("192.0.2.2");
  ask("198.51.100.1");
  survey.tick();
  EXPECT_THAT(kernel.confirmed, ElementsAre("192.0.2.2", "192.0.2.2"));
}

TEST_F(SurveyTest, DestinationsWithoutPacketsAreForgotten) {
  ask("192.0.2.2"), ask("192.0.2.3");
  for (unsigned i = 0; i <= Survey::kForgotten; ++i) {
    use("192.0.2.2");
    survey.tick();
    survey.settle();
  }
  EXPECT_EQ(detour("192.0.2.2"), Detour::none);
  EXPECT_EQ(detour("192.0.2.3"), Detour::unasked);
}

TEST_F(SurveyTest, RoutesAreAskedAgainFromTimeToTime) {
  ask("192.0.2.2");
  kernel.take_asked();
  for (unsigned i = 0; i < Survey::kAskedAgain; ++i) {
    survey.settle();
    EXPECT_THAT(kernel.take_asked(), IsEmpty());
    survey.tick();
  }
  survey.settle();
  EXPECT_THAT(kernel.take_asked(), ElementsAre("192.0.2.2"));
}

TEST_F(SurveyTest, TooManyDestinationsStayWithTheSocket) {
  std::vector<Address> many;
  for (unsigned i = 0; i <= Survey::kMost; ++i)
    many.push_back(at("10.0." + std::to_string(i / 256) + "." + std::to_string(i % 256)));
  survey.ask(many);
  survey.settle();
  EXPECT_EQ(board.roads()->to.size(), Survey::kMost);
}

}  // namespace
}  // namespace ipseckey::ipsecd
