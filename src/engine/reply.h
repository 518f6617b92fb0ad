#pragma once
/// The engine's messages about an SA.
#include "engine/checks.h"
#include "engine/sadb.h"
#include "pfkey/message.h"

namespace ipseckey::engine {

enum class WithKeys : bool { no, yes };

/// The complete SA with `header`'s type, seq and pid: for GET, DUMP and, without keys, DELETE. An ADD made from it
/// gives the same SA.
pfkey::Message describe(const Sa& sa, Sadb& sadb, const pfkey::Message& header, WithKeys keys);

/// The EXPIRE for an SA in its new state (pf-key.md, "EXPIRE").
pfkey::Message expire_notice(const Sa& sa);
/// X_NAT_T_NEW_MAPPING: the SA's peer was seen at another UDP address or port.
pfkey::Message mapping_notice(const Sa& sa, const pfkey::Endpoint& place);

/// The base header of the request with the refusal, and a REMARK if there is one.
pfkey::Message error_reply(const pfkey::Message& request, Refusal why);

}  // namespace ipseckey::engine
