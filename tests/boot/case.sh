#!/bin/bash
# Checks what the units promise, one after another, on a machine that has just booted with them enabled. Prints `ok NAME` for
# each promise kept.
export PATH=/usr/sbin:/usr/bin LC_ALL=C
keys=/etc/inet/secret/ipseckeys

expect() {  # name, expected, actual
  if [ "$2" = "$3" ]; then echo "ok $1"; else printf 'FAILED %s\n  wanted: %s\n  got: %s\n' "$1" "$2" "$3"; fi
}
finds() {  # name, pattern, text
  if grep -qE -e "$2" <<<"$3"; then echo "ok $1"; else printf 'FAILED %s\n  wanted: %s\n  got: %s\n' "$1" "$2" "$3"; fi
}
until_true() {  # Retries for at most 20 seconds.
  local end=$((SECONDS + 20))
  until "$@"; do [ $SECONDS -lt $end ] || return 1; done
}
property() { systemctl show -P "$2" "$1"; }
state() { echo "$(property "$1" ActiveState) $(property "$1" SubState) $(property "$1" Result) $(property "$1" ExecMainStatus)"; }
journal() { journalctl -q --no-pager -o cat -u "$1"; }
sas() { ipseckey -p -n dump | grep -cE '^(esp|ah) spi'; }
device() { ip -o link show ipsec0 2>&1 | cut -d: -f1; }
ipsecd_pid() { property ipsecd.service MainPID; }
another_ipsecd() { [ "$(ipsecd_pid)" != "$1" ] && [ "$(ipsecd_pid)" != 0 ] && [ "$(property ipsecd.service ActiveState)" = active ]; }

expect "the file is loaded at boot" "active exited success 0, 3 SAs" "$(state ipsec-manual-key), $(sas) SAs"
expect "its client has started ipsecd through the socket" "active running success 0" "$(state ipsecd.service)"
pid=$(ipsecd_pid)
finds "ipsecd runs as its user" "^Uid:.$(id -u ipsecd).$(id -u ipsecd)." "$(cat /proc/$pid/status)"
expect "with two capabilities, confined" "CapPrm 0000000000003000 CapEff 0000000000003000 CapBnd 0000000000003000 NoNewPrivs 1 Seccomp 2" \
  "$(sed -nE 's/^(CapPrm|CapEff|CapBnd|NoNewPrivs|Seccomp):\t/\1 /p' /proc/$pid/status | xargs)"
finds "its status is told" '^Packets through ipsec0, 1 thread:$' "$(ipsecd status 2>&1)"
finds "to members of its group, too" '^Packets through ipsec0, 1 thread:$' "$(setpriv --reuid=65533 --regid=ipsecd --clear-groups ipsecd status 2>&1)"
finds "it has its device" '^[0-9]+$' "$(device)"
for unit in ipsecd.service ipsec-manual-key.service; do
  exposed=$(systemd-analyze security --no-pager $unit 2>&1 | sed -nE 's/.*exposure level for [^:]*: ([0-9.]+).*/\1/p')
  finds "systemd rates $unit 2.0 or better" '^([01]\.[0-9]|2\.0)$' "$exposed"
done

systemctl reload ipsec-manual-key
finds "a refresh of the same file changes nothing" '0 added, 0 changed, 3 kept, 0 removed\.' "$(journal ipsec-manual-key)"
cp -p $keys /run/good
sed -i '/0x1003/d' $keys
echo 'add ah spi 0x1004 src 192.0.2.1 dst 192.0.2.2 authalg sha1 authkey 00112233445566778899aabbccddeeff01234567' >>$keys
systemctl reload ipsec-manual-key
finds "a refresh of an edited one touches what differs" '1 added, 0 changed, 2 kept, 1 removed\.' "$(journal ipsec-manual-key)"
echo 'add ah spi 0x1005 dst 192.0.2.2 authalg wombat authkey c0ffeec0ffeec0ffee' >>$keys
systemctl reload ipsec-manual-key 2>/dev/null
expect "a refresh of a wrong file fails and leaves all" "1, active exited, 3 SAs" \
  "$?, $(property ipsec-manual-key ActiveState) $(property ipsec-manual-key SubState), $(sas) SAs"
systemctl stop ipsec-manual-key
expect "a stop removes what came from the file" "inactive dead, 0 SAs" \
  "$(property ipsec-manual-key ActiveState) $(property ipsec-manual-key SubState), $(sas) SAs"
systemctl start ipsec-manual-key 2>/dev/null
expect "a wrong file fails the unit with status 95" "failed failed exit-code 95, 0 SAs" "$(state ipsec-manual-key), $(sas) SAs"
said=$(journal ipsec-manual-key)
finds "the journal says where and where to look" "ipseckeys:[0-9]+:[0-9]+: error: " "$said"
finds "and the command that shows more" "ipseckey -c $keys" "$said"
expect "and nothing of the line" "" "$(grep -o wombat <<<"$said")"
cp /run/good $keys
chmod 644 $keys
systemctl start ipsec-manual-key 2>/dev/null
expect "a file that others can read fails it, too" "failed failed exit-code 95" "$(state ipsec-manual-key)"
rm $keys
systemctl reset-failed ipsec-manual-key
systemctl start ipsec-manual-key
expect "without a file it is not started" "inactive dead success no" \
  "$(property ipsec-manual-key ActiveState) $(property ipsec-manual-key SubState) $(property ipsec-manual-key Result) $(property ipsec-manual-key ConditionResult)"
mkdir -p /run/systemd/system/ipsec-manual-key.service.d
printf '[Service]\nLoadCredential=west:/run/west\nUser=nobody\nCapabilityBoundingSet=\n' >/run/systemd/system/ipsec-manual-key.service.d/it.conf
install -m 600 /run/good $keys
echo 'deadbeafdeadbeafdeadbeafdeadbeaf' >/run/west
systemctl daemon-reload
systemctl start ipsec-manual-key 2>/dev/null
expect "without privileges it is status 100" "failed failed exit-code 100" "$(state ipsec-manual-key)"
sed -i '/User/d;/Capab/d' /run/systemd/system/ipsec-manual-key.service.d/it.conf
echo 'add ah spi 0x1006 src 192.0.2.1 dst 192.0.2.2 authalg md5 authkey @cred:west' >>$keys
systemctl daemon-reload
systemctl start ipsec-manual-key
expect "a key may be a credential of the service manager" "active exited success 0, 4 SAs" "$(state ipsec-manual-key), $(sas) SAs"

index=$(device)
kept() { expect "$1" "4 SAs, device $index" "$(sas) SAs, device $(device)"; }
printf '{ raddr 192.0.2.9 dir out } drop {}\n{ raddr 192.0.2.8 dir out } drop {}\n' >/etc/inet/ipsecinit.conf
systemctl -q enable --now ipsec-policy
rules() { ipsecd status --json | sed -nE 's/.*"rules":([0-9]+).*/\1/p'; }
has_rules() { [ "$(rules)" = 2 ]; }
expect "the rules are loaded" "active exited success 0, 2 rules" "$(state ipsec-policy), $(rules) rules"
pid=$(ipsecd_pid)
systemctl restart ipsecd.service
expect "a restart brings another process" yes "$(another_ipsecd $pid && echo yes)"
kept "a restart loses no SA, and the device stays"
expect "and loads the rules again" "active exited success 0, 2 rules" "$(state ipsec-policy), $(rules) rules"
pid=$(ipsecd_pid)
kill -KILL "$pid"
until_true another_ipsecd "$pid"
kept "a crash loses no SA, and the device stays"
until_true has_rules
expect "and the rules are loaded again" "active exited success 0, 2 rules" "$(state ipsec-policy), $(rules) rules"
systemctl stop ipsecd.service
systemctl start ipsecd.service
until_true has_rules
expect "a stop and a start of ipsecd bring the rules back" "active exited success 0, 2 rules" "$(state ipsec-policy), $(rules) rules"
systemctl restart ipsec-manual-key
index=$(device)
systemctl -q disable ipsec-policy
systemctl stop ipsec-policy
expect "its stop leaves them in force" "2" "$(rules)"
ipsecconf -q unload
mkdir -p /run/systemd/system/ipsecd.service.d
printf '[Service]\nWatchdogSec=2s\n' >/run/systemd/system/ipsecd.service.d/it.conf
systemctl daemon-reload
systemctl restart ipsecd.service
pid=$(ipsecd_pid)
kill -STOP "$pid"
until_true another_ipsecd "$pid"
kept "a watchdog that is not fed loses no SA, and the device stays"
finds "it was the watchdog" 'Watchdog timeout' "$(journal ipsecd.service)"
printf '[Service]\nWatchdogSec=2s\nEnvironment=LD_PRELOAD=/case/forced.so\nLimitCORE=infinity\n' >/run/systemd/system/ipsecd.service.d/it.conf
systemctl daemon-reload

# Core dumps are forced for both programs: everything that prevents them is removed.
echo /run/ipsecd/core.%e >/proc/sys/kernel/core_pattern
systemctl restart ipsecd.service
kept "for a core it starts once more"
pid=$(ipsecd_pid)
kill -STOP "$pid"
(ulimit -c unlimited; LD_PRELOAD=/case/forced.so exec ipseckey -f /run/good) 2>/dev/null &
client=$!
waits() { [[ $(readlink /proc/$client/fd/*) == *socket:* && $(cut -d' ' -f3 /proc/$client/stat) == S ]]; }
until_true waits
kill -ABRT $client
wait $client
until_true another_ipsecd "$pid"
shopt -s nullglob
finds "both have left a core" '^/run/ipsecd/core.ipseckey /run/ipsecd/core.ipsecd$' "$(echo /run/ipsecd/core.ipseckey /run/ipsecd/core.ipsecd | xargs ls 2>/dev/null | sort -r | xargs)"
for digits in c0ffee00c0ffee11 c0ffee22c0ffee33 c0ffee55c0ffee66 c0ffee77c0ffee88 deadbea7deadbea8 deadbeabdeadbeac deadbeafdeadbeaf; do
  octets=$(sed 's/../\\x&/g' <<<"$digits")
  found+=$(grep -laP "$octets|(?i:$digits)" /run/ipsecd/core.*)
done
expect "no key is in a core" "" "$found"
expect "the search finds what is there" "/run/good" "$(grep -laP '(?i:c0ffee00c0ffee11)' /run/good /run/ipsecd/core.*)"
rm -f /run/ipsecd/core.*

expect "no key is in the journal" 0 "$(journalctl -q --no-pager -o export | grep -aciE 'c0ffee|deadbea[7-f]')"
systemctl stop ipsecd.service
expect "a stop lets go of the device" 'Device "ipsec0" does not exist.' "$(device)"
expect "and of all SAs, and the next client starts it again" "0 SAs, active" "$(sas) SAs, $(property ipsecd.service ActiveState)"
systemctl stop ipsecd.socket ipsecd.service
expect "without the socket nobody answers" 3 "$(ipseckey --sadb=ipsecd dump >/dev/null 2>&1; echo $?)"
expect "no unit has failed" "" "$(systemctl list-units --failed --plain --no-legend 'ipsec*')"
echo "all was looked at"
