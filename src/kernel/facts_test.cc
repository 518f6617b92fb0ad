#include "kernel/facts.h"

#include <gmock/gmock.h>

#include <fstream>

#include "backend/testing.h"

namespace ipseckey::kernel {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

// A machine's files in a folder.
class Machine {
 public:
  Machine& file(const std::string& path, std::string_view content) {
    const std::filesystem::path whole = folder_ / path.substr(1);
    std::filesystem::create_directories(whole.parent_path());
    std::ofstream(whole) << content;
    return *this;
  }
  KernelFiles files() const { return {folder_ / "", "6.1.0"}; }

 private:
  backend::testing::TempFolder folder_;
};

void with_modules(Machine& m) {
  m.file("/proc/modules", "esp4 28672 0 - Live 0x0000\nxfrm_user 1 0 - Live 0x0\n");
  m.file("/proc/crypto", "name         : cbc(aes)\ndriver       : cbc-aes-aesni\n\nname         : sha256\n");
  m.file("/lib/modules/6.1.0/modules.builtin", "kernel/crypto/hmac.ko\nkernel/net/ipv6/ah6.ko\n");
  m.file("/lib/modules/6.1.0/modules.dep",
         "kernel/net/ipv6/esp6.ko.xz: kernel/net/xfrm/xfrm_algo.ko.xz\n"
         "kernel/crypto/gcm.ko:\nkernel/arch/x86/crypto/aesni-intel.ko:\n");
  m.file("/lib/modules/6.1.0/modules.alias",
         "alias crypto-gcm gcm\nalias crypto-aes aesni_intel\n"
         "alias crypto-rfc4106 gcm\nalias crypto-md5 gone\n");
  m.file("/lib/modules/6.1.0/modules.builtin.modinfo",
         std::string_view("hmac.alias=crypto-hmac\0hmac.license=GPL\0", 40));
}

TEST(KernelFacts, AModuleIsLoadedBuiltInLoadableOrMissing) {
  Machine machine;
  with_modules(machine);
  EXPECT_EQ(module_presence(machine.files(), "esp4"), Presence::there);
  EXPECT_EQ(module_presence(machine.files(), "ah6"), Presence::there);
  EXPECT_EQ(module_presence(machine.files(), "esp6"), Presence::loadable);
  EXPECT_EQ(module_presence(machine.files(), "aesni_intel"), Presence::loadable);
  EXPECT_EQ(module_presence(machine.files(), "ah4"), Presence::missing);
  EXPECT_EQ(module_presence(Machine().files(), "ah4"), Presence::unknown);
}

TEST(KernelFacts, AnAlgorithmIsAsAvailableAsItsParts) {
  Machine machine;
  with_modules(machine);
  EXPECT_EQ(algorithm_presence(machine.files(), "cbc(aes)"), Presence::there);
  EXPECT_EQ(algorithm_presence(machine.files(), "hmac(sha256)"), Presence::there);
  EXPECT_EQ(algorithm_presence(machine.files(), "rfc4106(gcm(aes))"), Presence::loadable);
  EXPECT_EQ(algorithm_presence(machine.files(), "hmac(md5)"), Presence::missing);
  EXPECT_EQ(algorithm_presence(machine.files(), "cmac(aes)"), Presence::missing);
  EXPECT_EQ(algorithm_presence(Machine().files(), "cbc(aes)"), Presence::unknown);
}

TEST(KernelFacts, LockdownIsTheWordInBrackets) {
  EXPECT_EQ(lockdown_of(Machine().files()), "");
  for (const std::string mode : {"none", "integrity", "confidentiality"}) {
    Machine machine;
    machine.file("/sys/kernel/security/lockdown", "before [" + mode + "] after\n");
    EXPECT_EQ(lockdown_of(machine.files()), mode);
  }
}

TEST(KernelFacts, LabelsNeedSelinux) {
  Machine machine;
  EXPECT_FALSE(has_labels(machine.files()));
  machine.file("/proc/filesystems", "nodev\tsysfs\n\text4\nnodev\tnoselinuxfs\n");
  EXPECT_FALSE(has_labels(machine.files()));
  machine.file("/proc/filesystems", "nodev\tsysfs\nnodev\tselinuxfs\n\text4\n");
  EXPECT_TRUE(has_labels(machine.files()));
}

TEST(KernelFacts, CapNetAdminIsBit12) {
  EXPECT_FALSE(may_change_sas(Machine().files()));
  for (const auto& [bits, may] : {std::pair("0000000000001000", true), std::pair("000001ffffffefff", false),
                                  std::pair("000001ffffffffff", true), std::pair("0", false)}) {
    Machine machine;
    machine.file("/proc/self/status", std::string("Name:\tx\nCapPrm:\t1000\nCapEff:\t") + bits + "\nCapBnd:\t1000\n");
    EXPECT_EQ(may_change_sas(machine.files()), may) << bits;
  }
}

TEST(KernelFacts, CountersKeepTheFilesOrder) {
  Machine machine;
  machine.file("/proc/net/xfrm_stat", "XfrmInError             \t0\nXfrmInNoStates   18446744073709551615\nodd\n");
  EXPECT_THAT(error_counters(machine.files()), ElementsAre(Pair("XfrmInError", 0), Pair("XfrmInNoStates", UINT64_MAX)));
}

TEST(KernelFacts, EveryCounterOfThisKernelHasAMeaning) {
  for (const auto& [name, value] : error_counters(KernelFiles())) EXPECT_NE(counter_meaning(name), "") << name;
  EXPECT_EQ(counter_meaning("XfrmInBrandNew"), "");
}

}  // namespace
}  // namespace ipseckey::kernel
