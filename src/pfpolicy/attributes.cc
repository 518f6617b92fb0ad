#include "pfpolicy/attributes.h"

#include <array>

namespace ipseckey::pfpolicy {
namespace {

using P = policy::Protection;
using C = policy::Choice;

constexpr auto kTable = std::to_array<AttributeRow>({
    {0x102, "AH_AUTH", ChoiceRow{&P::ah, &C::number}},
    {0x103, "ESP_ENCR", ChoiceRow{&P::cipher, &C::number}},
    {0x104, "ESP_AUTH", ChoiceRow{&P::integrity, &C::number}},
    {0x105, "ENCR_MINBITS", ChoiceRow{&P::cipher, &C::min_bits}},
    {0x106, "ENCR_MAXBITS", ChoiceRow{&P::cipher, &C::max_bits}},
    {0x107, "AH_MINBITS", ChoiceRow{&P::ah, &C::min_bits}},
    {0x108, "AH_MAXBITS", ChoiceRow{&P::ah, &C::max_bits}},
    {0x109, "LIFE_SOFT_TIME", IgnoredRow{}},
    {0x10a, "LIFE_HARD_TIME", IgnoredRow{}},
    {0x10b, "LIFE_SOFT_BYTES", IgnoredRow{}},
    {0x10c, "LIFE_HARD_BYTES", IgnoredRow{}},
    {0x10d, "KM_PROTO", IgnoredRow{}},
    {0x10e, "KM_COOKIE", IgnoredRow{}},
    {0x10f, "REPLAY_DEPTH", IgnoredRow{}},
    {0x110, "ESPA_MINBITS", ChoiceRow{&P::integrity, &C::min_bits}},
    {0x111, "ESPA_MAXBITS", ChoiceRow{&P::integrity, &C::max_bits}},
    {0x8001, "REQID", ReqidRow{}},
    {0x8002, "LEVEL", LevelRow{}},
    {0x8003, "END_FAMILY", EndFamilyRow{}},
    {0x8004, "SPI", SpiRow{}},
    {0x8010, "END_LOCAL_0", EndRow{false, 0}},
    {0x8011, "END_LOCAL_1", EndRow{false, 1}},
    {0x8012, "END_LOCAL_2", EndRow{false, 2}},
    {0x8013, "END_LOCAL_3", EndRow{false, 3}},
    {0x8014, "END_REMOTE_0", EndRow{true, 0}},
    {0x8015, "END_REMOTE_1", EndRow{true, 1}},
    {0x8016, "END_REMOTE_2", EndRow{true, 2}},
    {0x8017, "END_REMOTE_3", EndRow{true, 3}},
});

}  // namespace

std::span<const AttributeRow> attributes() { return kTable; }

}  // namespace ipseckey::pfpolicy
