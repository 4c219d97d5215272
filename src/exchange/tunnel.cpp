// After 101 an exchange is a tunnel: two streams of bytes through the same windows as bodies, each
// with its own end. See http/body.h for what the answer owes it. Time is kept by the connection.

#include "exchange/core.h"
#include "exchange/exchange.h"
#include "http/framing.h"

namespace ringtime::exchange {

using http::FieldId;
using http::Pull;

namespace {

// Bytes moved in one direction before others get their turn.
constexpr uint64_t kTunnelBytesPerStep = 1024 * 1024;

}  // namespace

// Empty when the answer may not switch: nobody asked, or not for this.
std::string_view Exchange::switched_protocol() noexcept {
    const http::ResponseHead& answer_head = answer_->head();
    if (upgrade_.empty() || !answer_->request_body()) return {};
    std::string_view chosen = answer_head.fields.get(FieldId::upgrade);
    if (chosen.data()) return http::upgrade_was_offered(answer_head, upgrade_) ? chosen : "";
    return upgrade_.find(',') == std::string_view::npos ? upgrade_ : "";
}

// Whatever answered 101 without being asked is not to be believed in anything else either.
void Exchange::refuse_switch() noexcept {
    Reason reason = Reason::upstream_protocol;
    Source source = Source::upstream;
    if (chain_run_.made(answer_)) {
        reason = Reason::hook_failed;
        source = Source::plugin;
    } else if (mount_ && mount_->kind == TargetKind::worker) {
        reason = Reason::worker_protocol;
        source = Source::worker;
    }
    fail({reason, source, Retry::no, 0, 0});
}

// A response hook that changes the status of a switch has turned it down: that status is all the
// client gets, and the far side sees its tunnel cut.
void Exchange::refuse_tunnel() noexcept {
    answer_->release();
    answer_ = nullptr;
    upgrade_ = {};
    answer_fixed(response_facts_.status, "text/plain; charset=utf-8", {}, {});
    response_.begin(answer_->head().fields);
}

// The head's memory is not the tunnel's to keep: it may last for days.
void Exchange::start_tunnel() noexcept {
    tunnel_ = true;
    request_done_ = false;
    head_is_lent_ = false;
    if (head_pin.owner) move_head();
}

Exchange::Flow Exchange::pump(http::BodySource& from, http::BodySink& to,
                              uint64_t& total) noexcept {
    uint64_t moved = 0;
    while (uint32_t room = to.room()) {
        Piece piece;
        switch (from.pull(piece, room)) {
            case Pull::pending: return Flow::open;
            case Pull::data:
                total += piece.size;
                moved += piece.size;
                to.push(piece);
                if (moved >= kTunnelBytesPerStep) {
                    wake();
                    return Flow::open;
                }
                break;
            case Pull::end: to.finish(); return Flow::ended;
            case Pull::failed: return Flow::broken;
        }
    }
    return Flow::open;
}

// True when the tunnel is over.
bool Exchange::relay_tunnel() noexcept {
    auto relay = [&](http::BodySource& from, http::BodySink& to, uint64_t& total, bool& ended) {
        Flow flow = ended ? Flow::ended : pump(from, to, total);
        ended = flow == Flow::ended;
        if (flow != Flow::broken) return true;
        if (outcome_.ok()) outcome_ = from.error();
        ++core_.counters.aborted;
        sink_->abort_response();
        return false;
    };
    if (!relay(*source_, *answer_->request_body(), received_, request_done_)) return true;
    if (!relay(answer_->body(), *sink_, sent_, tunnel_answered_)) return true;
    response_complete_ = request_done_ && tunnel_answered_;
    // Frames of a plugin lie in memory that goes with this exchange.
    return response_complete_ && (!chain_run_.made(answer_) || sink_->drained());
}

}  // namespace ringtime::exchange
