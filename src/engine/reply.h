#pragma once
/// What the engine says about an SA.
#include "engine/checks.h"
#include "engine/sadb.h"
#include "pfkey/message.h"

namespace ipseckey::engine {

enum class WithKeys : bool { no, yes };

/// The SA with everything that is known of it, below `header`'s type, seq and pid: GET, DUMP and, without keys, DELETE.
/// An ADD can be made from it that gives the same SA.
pfkey::Message describe(const Sa& sa, Sadb& sadb, const pfkey::Message& header, WithKeys keys);

/// The EXPIRE of an SA that is in the state it then has (pf-key.md, "EXPIRE").
pfkey::Message expire_notice(const Sa& sa);
/// X_NAT_T_NEW_MAPPING: the SA's peer was seen at another UDP address or port.
pfkey::Message mapping_notice(const Sa& sa, const pfkey::Endpoint& place);

/// The base header of the request with the refusal in it, and a REMARK if there is one.
pfkey::Message error_reply(const pfkey::Message& request, Refusal why);

}  // namespace ipseckey::engine
