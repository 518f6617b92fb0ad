#include "cli/verbs/doctor.h"

#include <gmock/gmock.h>

#include <sstream>

namespace ipseckey::cli {
namespace {

using enum kernel::Presence;

TEST(Doctor, SaysWhatIsMissingAndHowToMendIt) {
  Diagnosis d;
  d.kernel.system = "Linux 6.18.0";
  d.kernel.report = {.asked = false,
                     .facts = {{"protocol", "ESP over IPv4", missing, "modprobe esp4"},
                               {"protocol", "ESP over IPv6", missing, "modprobe esp6"},
                               {"encryption", "aes-gcm", loadable},
                               {"encryption", "null", unknown},
                               {"feature", "ESN", missing}}};
  d.kernel.lockdown = "confidentiality";
  d.why = "no SADB is available";
  EXPECT_EQ(doctor_screen(d),
            "Kernel          Linux 6.18.0; facts from this machine's files, not from the\n"
            "                kernel\n"
            "Protocols       no: ESP over IPv4 (`modprobe esp4`), ESP over IPv6 (`modprobe\n"
            "                esp6`)\n"
            "Encryption      when needed: aes-gcm\n"
            "                not known: null\n"
            "Features        no: ESN\n"
            "Policies        not known; without policies the kernel's SAs protect nothing\n"
            "                (`ip xfrm policy`)\n"
            "Offload         no device here offloads ESP (esp-hw-offload)\n"
            "This user       may not see or change the kernel's SAs: CAP_NET_ADMIN is\n"
            "                missing; run ipseckey as root\n"
            "Lockdown        confidentiality: keys are hidden, so the kernel's SAs cannot be\n"
            "                saved\n"
            "Dropped packets not counted by this kernel (CONFIG_XFRM_STATISTICS)\n"
            "SADB            no SADB is available\n");
  EXPECT_FALSE(d.usable());
}

TEST(Doctor, CountersHaveTheirMeaning) {
  Diagnosis d;
  d.kernel.counters = {{"XfrmInError", 0}, {"XfrmInStateProtoError", 12}, {"XfrmInBrandNew", 1}};
  d.picked = "ipsecd:/s", d.why = "it answers";
  EXPECT_THAT(doctor_screen(d),
              testing::EndsWith("Dropped packets in /proc/net/xfrm_stat, since the network namespace was created:\n"
                                "          12    XfrmInStateProtoError: wrong ICV or padding: the two ends have\n"
                                "                different keys, algorithms or ICV lengths (icv)\n"
                                "           1    XfrmInBrandNew\n"
                                "SADB            auto picks ipsecd:/s: it answers\n"));
  EXPECT_TRUE(d.usable());
}

TEST(Doctor, SasAloneProtectNothing) {
  Diagnosis d;
  d.kernel.policies = 0;
  EXPECT_THAT(doctor_screen(d),
              testing::HasSubstr("Policies        none: without policies the kernel's SAs protect nothing "
                                 "and all\n                traffic is in the clear (`ip xfrm policy`)\n"));
  EXPECT_THAT(doctor_json(d), testing::HasSubstr("\"policies\":0,"));
  d.kernel.policies = 3;
  EXPECT_THAT(doctor_screen(d), testing::HasSubstr("Policies        3: the kernel protects the traffic that they "
                                                   "select; SAs alone\n                protect nothing\n"));
  d.kernel.policies.reset();
  EXPECT_THAT(doctor_json(d), testing::Not(testing::HasSubstr("policies")));
}

TEST(Doctor, TheKernelIsUnusableWithoutThePrivilege) {
  Diagnosis d;
  d.picked = "kernel", d.why = "it has ESP or AH";
  EXPECT_FALSE(d.usable());
  EXPECT_THAT(doctor_screen(d),
              testing::EndsWith("SADB            auto picks kernel: it has ESP or AH; but this user may not use\n"
                                "                it: run ipseckey as root\n"));
}

TEST(Doctor, ItIsOneScreen) {
  const Diagnosis d{kernel::view_kernel(), "kernel", "why"};
  std::istringstream lines(doctor_screen(d));
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line); ++count) EXPECT_LE(line.size(), 80u) << line;
  EXPECT_LE(count, 24u);
}

TEST(Doctor, SaysHowThePacketsOfIpsecdLeave) {
  Diagnosis d;
  d.picked = "ipsecd:/run/s";
  d.why = "it answers on its default socket";
  EXPECT_THAT(doctor_screen(d), ::testing::Not(::testing::HasSubstr("Its packets")));
  EXPECT_THAT(doctor_json(d), ::testing::Not(::testing::HasSubstr("leaving")));
  d.leaving = {"To 2 addresses packets leave by a packet socket.",
               "To 1 address packets leave by the raw socket: why."};
  EXPECT_THAT(doctor_screen(d),
              ::testing::EndsWith("Its packets     To 2 addresses packets leave by a packet socket.\n"
                                  "                To 1 address packets leave by the raw socket: why.\n"));
  EXPECT_THAT(doctor_json(d), ::testing::HasSubstr("\"leaving\":[\"To 2 addresses packets leave by a packet socket.\","
                                                   "\"To 1 address packets leave by the raw socket: why.\"]"));
}

}  // namespace
}  // namespace ipseckey::cli
