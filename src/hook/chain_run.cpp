#include "hook/chain_run.h"

#include <fmt/core.h>

#include <cstring>
#include <utility>

#include "base/assert.h"
#include "base/clock.h"

namespace ringtime::hook {
namespace {

/// One call in this many is timed: reading the clock costs more than most hooks.
constexpr uint64_t sample_mask = 63;

/// What a hook was called with when it is called by its phase.
template <typename Function>
Function* as(const HookEntry& entry) noexcept {
    return reinterpret_cast<Function*>(entry.function);
}

using RequestHook = ringtime_verdict(void*, const ringtime_request*);
using ResponseHook = ringtime_verdict(void*, const ringtime_request*, const ringtime_response*);
using BodyHook = ringtime_verdict(void*, const ringtime_request*, const ringtime_chunk*);
using DoneHook = void(void*, const ringtime_request*, const ringtime_summary*);

}  // namespace

ChainRun::ChainRun() noexcept {
    for (Lane* lane : {&incoming_, &outgoing_}) {
        lane->run = this;
        lane->timer.owner = lane;
        lane->timer.on_expire = &on_expire;
    }
}

void ChainRun::begin(const Chain* chain, HookCore& core, const RequestFacts& facts,
                     Wake wake) noexcept {
    ASSERT(!incoming_.waiting && !outgoing_.waiting);
    chain_ = chain;
    core_ = &core;
    facts_ = &facts;
    response_ = nullptr;
    wake_ = wake;
    outside_ = 0;
    states_ = nullptr;
    request_next_ = response_next_ = incoming_.next = outgoing_.next = 0;
    last_slot_ = UINT8_MAX;
    shown_ = false;
    reason_ = Reason::none;
    decided_by_ = nullptr;
    edited_path_ = edited_forwarded_ = {};
    match_ = nullptr;
    matched_ = nullptr;
    chosen_ = nullptr;
    handed_over_ = instead_ = false;
    if (!chain || !chain->narrowed()) return;
    for (size_t slot = 0; slot < chain->plugins().size(); ++slot) {
        uint64_t bit = uint64_t{1} << slot;
        if (chain->narrowed() & bit &&
            !chain->plugins()[slot]->scope().contains(facts.host, facts.full_path))
            outside_ |= bit;
    }
}

uint64_t ChainRun::gather_bytes_max() const noexcept {
    if (!chain_ || !chain_->gathering()) return 0;
    uint64_t most = 0;
    for (size_t slot = 0; slot < chain_->plugins().size(); ++slot) {
        if (!((chain_->gathering() & ~outside_) >> slot & 1)) continue;
        const ringtime_plugin_table& table = chain_->plugins()[slot]->table();
        if (facts_->is_public && !(table.flags & RINGTIME_RUN_ON_PUBLIC)) continue;
        // Each wants the whole body, so the strictest limit holds.
        if (most == 0 || table.gather_bytes_max < most) most = table.gather_bytes_max;
    }
    return most;
}

bool ChainRun::transforms_request() const noexcept {
    if (!chain_ || !(chain_->request_transformers() & ~outside_)) return false;
    if (!facts_->is_public) return true;
    for (size_t slot = 0; slot < chain_->plugins().size(); ++slot) {
        bool transforms = (chain_->request_transformers() & ~outside_) >> slot & 1;
        if (transforms && chain_->plugins()[slot]->table().flags & RINGTIME_RUN_ON_PUBLIC)
            return true;
    }
    return false;
}

bool ChainRun::transforms_response() const noexcept {
    if (!chain_) return false;
    uint64_t slots = chain_->response_transformers() & ~outside_;
    if (last_slot_ < 63) slots &= (uint64_t{2} << last_slot_) - 1;
    return slots != 0;
}

std::string_view ChainRun::decided_by() const noexcept {
    return decided_by_ ? std::string_view(decided_by_->spec().short_name) : std::string_view{};
}

void ChainRun::show_request() noexcept {
    const RequestFacts& facts = *facts_;
    const http::RequestHead& head = *facts.head;
    bool edited = path_edited();
    uint8_t flags = 0;
    if (facts.is_public) flags |= RINGTIME_REQUEST_PUBLIC;
    if (facts.has_body) flags |= RINGTIME_REQUEST_HAS_BODY;
    if (facts.api) flags |= RINGTIME_REQUEST_API;
    if (facts.gathered.data()) flags |= RINGTIME_REQUEST_GATHERED;
    request_ = {sizeof request_,
                static_cast<uint8_t>(head.method),
                static_cast<uint8_t>(head.version),
                facts.secure,
                flags,
                &core_->host(),
                reinterpret_cast<ringtime_exchange*>(this),
                to_slice(head.method_text),
                to_slice(edited ? edited_path_ : facts.path),
                to_slice(edited ? edited_path_ : facts.full_path),
                to_slice(head.query),
                to_slice(head.target),
                to_slice(head.authority),
                to_slice(facts.host),
                to_slice(facts.request_id),
                to_slice(facts.peer),
                to_slice(facts.client),
                facts.peer_port,
                static_cast<uint16_t>(core_->index()),
                0,
                facts.content_length,
                core_->port().now(),
                to_slice(facts.gathered),
                facts.tls,
                facts.app};
    shown_ = true;
}

void ChainRun::enter_phase(Lane& lane, Hook hook) noexcept {
    if (!shown_) show_request();
    lane_ = &lane;
    hook_ = hook;
}

bool ChainRun::skips(const HookEntry& entry, uint8_t heeded) const noexcept {
    if (entry.slot > last_slot_) return true;
    uint8_t flags = entry.flags & heeded;
    if (flags & HookEntry::not_public) return true;
    return flags & HookEntry::narrowed && outside_ >> entry.slot & 1;
}

template <typename Call>
ringtime_verdict ChainRun::call(const HookEntry& entry, Hook hook, Call&& call) noexcept {
    current_ = &entry;
    HookCounters& counters = counters_of(entry, hook);
    uint64_t calls = counters.calls.load(std::memory_order_relaxed);
    counters.calls.store(calls + 1, std::memory_order_relaxed);
    core_->enter(entry.mark, calls);
    Nanoseconds from = 0;
    if ((calls & sample_mask) == 0) [[unlikely]]
        from = monotonic_now();
    ringtime_verdict verdict;
    try {
        verdict = call();
    } catch (...) {
        entry.cores->plugin->log_exception(hook_name(hook));
        verdict = RINGTIME_FAIL;
    }
    if (from != 0) [[unlikely]] {
        HookCounters::add(counters.sampled);
        HookCounters::add(counters.sampled_ns, monotonic_now() - from);
    }
    return verdict;
}

template <typename Call>
Outcome ChainRun::run_phase(const Phase& phase, uint32_t& next, Lane& lane, Hook hook,
                            uint8_t heeded, Call&& invoke) noexcept {
    enter_phase(lane, hook);
    Outcome outcome = Outcome::go_on;
    if (lane.waiting) [[unlikely]] {
        outcome = wake_up(lane, hook);
        if (outcome != Outcome::paused) ++next;
    }
    while (outcome == Outcome::go_on && next < phase.count) {
        const HookEntry& entry = phase.entries[next];
        if ((entry.flags & heeded) != 0 || entry.slot > last_slot_) [[unlikely]] {
            if (skips(entry, heeded)) {
                ++next;
                continue;
            }
            if (entry.flags & HookEntry::down) {
                ++next;
                outcome = fail(entry, Reason::plugin_down);
                break;
            }
        }
        ringtime_verdict verdict = call(entry, hook, [&] { return invoke(entry); });
        if (verdict != RINGTIME_CONTINUE || loose_) [[unlikely]] {
            outcome = settle(entry, lane, hook, verdict);
            if (outcome == Outcome::paused) break;
        }
        ++next;
    }
    core_->leave();
    current_ = nullptr;
    hook_ = Hook::count_;
    return outcome;
}

Outcome ChainRun::settle(const HookEntry& entry, Lane& lane, Hook hook,
                         ringtime_verdict verdict) noexcept {
    loose_ = false;
    if (verdict != RINGTIME_PAUSE) cancel_pause(lane);
    if (verdict != RINGTIME_RESPOND && (hook == Hook::request || hook == Hook::route))
        drop_answer();
    HookCounters& counters = counters_of(entry, hook);
    bool instead = std::exchange(instead_, false);
    if (instead && verdict != RINGTIME_RESPOND) {
        complain(Fault::not_replaced, "replaced the response, but did not say so: return what "
                                      "replace() returns");
        return fail(entry, Reason::hook_failed);
    }
    if (verdict == RINGTIME_CONTINUE) return Outcome::go_on;
    if (verdict == RINGTIME_RESPOND && chosen_ &&
        (hook == Hook::request || hook == Hook::route || instead)) {
        handed_over_ = true;
        HookCounters::add(counters.answers);
        decided_by_ = entry.cores->plugin;
        if (hook == Hook::request) last_slot_ = entry.slot;
        return Outcome::answered;
    }
    if (verdict == RINGTIME_PAUSE && (lane.token || lane.resumed)) {
        HookCounters::add(counters.suspensions);
        lane.waiting = &entry;
        // Resumed from inside the hook already: the exchange has been woken, no deadline is needed.
        if (!lane.resumed)
            core_->port().arm(lane.timer, core_->port().now() + from_milliseconds(lane.timeout_ms));
        return Outcome::paused;
    }
    complain_of(verdict);
    return fail(entry, Reason::hook_failed);
}

// A hook that throws has said so already, and one that fails on purpose knows why.
void ChainRun::complain_of(ringtime_verdict verdict) noexcept {
    if (verdict == RINGTIME_RESPOND) {
        complain(Fault::no_answer,
                 "said that it has answered, but it has not: return what respond() returns");
    } else if (verdict == RINGTIME_PAUSE) {
        complain(Fault::no_pause, "said that it has paused, but it has not: call pause() first");
    } else if (verdict != RINGTIME_FAIL) {
        complain(Fault::no_verdict, [&] {
            return fmt::format("returned {}, which is no verdict", static_cast<int>(verdict));
        });
    }
}

Outcome ChainRun::fail(const HookEntry& entry, Reason reason) noexcept {
    if (entry.cores) HookCounters::add(counters_of(entry, hook_).errors);
    bool guards = hook_ == Hook::request;
    if (guards) last_slot_ = entry.slot;
    decided_by_ = chain_ && entry.slot < chain_->plugins().size() ? chain_->plugins()[entry.slot]
                  : entry.cores                                   ? entry.cores->plugin
                                                                  : nullptr;
    reason_ = reason;
    return Outcome::failed;
}

// --- Pauses ---

ringtime_token ChainRun::pause(uint32_t timeout_ms) noexcept {
    if (!current_ || hook_ == Hook::done || lane_->token) return 0;
    Plugin& plugin = *current_->cores->plugin;
    lane_->resumed = lane_->expired = false;
    lane_->timeout_ms = timeout_ms;
    lane_->token = core_->pauses().arm(*lane_, {plugin.table().on_resume_late, plugin.self()});
    loose_ = lane_->token != 0;
    return lane_->token;
}

void ChainRun::Lane::on_resumed(uint64_t with) noexcept {
    resumed = true;
    value = with;
    token = 0;  // The table has taken its slot back.
    run->core_->port().disarm(timer);
    run->wake_.function(run->wake_.context);
}

void ChainRun::on_expire(loop::Timer& timer) noexcept {
    auto& lane = *static_cast<Lane*>(timer.owner);
    lane.expired = true;
    lane.run->wake_.function(lane.run->wake_.context);
}

void ChainRun::cancel_pause(Lane& lane) noexcept {
    if (lane.token) core_->pauses().cancel(lane.token);
    lane.token = 0;
    lane.resumed = lane.expired = false;
}

Outcome ChainRun::wake_up(Lane& lane, Hook hook) noexcept {
    if (!lane.resumed && !lane.expired) return Outcome::paused;  // Woken for another reason.
    const HookEntry& entry = *lane.waiting;
    lane.waiting = nullptr;
    if (!lane.resumed) {
        cancel_pause(lane);
        entry.cores[core_->index()].complain(Fault::not_resumed, hook, [&] {
            return fmt::format("paused, and nobody resumed it within {} ms", lane.timeout_ms);
        });
        return fail(entry, Reason::hook_failed);
    }
    lane.resumed = lane.expired = false;
    Plugin& plugin = *entry.cores->plugin;
    auto* on_resume = plugin.table().on_resume;
    if (!on_resume) return Outcome::go_on;
    ringtime_verdict verdict =
        call(entry, hook, [&] { return on_resume(plugin.self(), &request_, lane.value); });
    return settle(entry, lane, hook, verdict);
}

void ChainRun::end() noexcept {
    if (!core_) return;
    for (Lane* lane : {&incoming_, &outgoing_}) {
        if (lane->timer.armed()) core_->port().disarm(lane->timer);
        cancel_pause(*lane);
        lane->waiting = nullptr;
    }
    if (!handed_over_) drop_answer();
    answer_.release();
    chosen_ = nullptr;
    chain_ = nullptr;
    core_ = nullptr;
}

// --- Phases ---

Outcome ChainRun::run_request() noexcept {
    if (!chain_ || !chain_->request().entries) return Outcome::go_on;
    uint8_t heeded = HookEntry::narrowed | HookEntry::down;
    if (facts_->is_public) heeded |= HookEntry::not_public;
    return run_phase(
        chain_->request(), request_next_, incoming_, Hook::request, heeded,
        [&](const HookEntry& entry) { return as<RequestHook>(entry)(entry.self, &request_); });
}

Outcome ChainRun::run_response(ResponseFacts& facts) noexcept {
    response_ = &facts;
    if (!chain_ || !chain_->response().entries) return Outcome::go_on;
    shown_response_ = {sizeof shown_response_,
                       facts.status,
                       static_cast<uint8_t>(facts.version),
                       facts.flags,
                       facts.content_length,
                       to_slice(facts.reason)};
    return run_phase(chain_->response(), response_next_, outgoing_, Hook::response,
                     HookEntry::narrowed, [&](const HookEntry& entry) {
                         return as<ResponseHook>(entry)(entry.self, &request_, &shown_response_);
                     });
}

Outcome ChainRun::run_body(const Phase& phase, Lane& lane, Hook hook, uint8_t heeded, Piece& piece,
                           BodyPart part) noexcept {
    lane.piece = &piece;
    ringtime_chunk chunk{sizeof chunk, part == BodyPart::last, {}, {}};
    Outcome outcome = run_phase(phase, lane.next, lane, hook, heeded, [&](const HookEntry& entry) {
        chunk.bytes = {piece.data, piece.size};
        return as<BodyHook>(entry)(entry.self, &request_, &chunk);
    });
    lane.piece = nullptr;
    if (outcome != Outcome::paused) lane.next = 0;
    return outcome;
}

Outcome ChainRun::run_request_body(Piece& piece, BodyPart part) noexcept {
    if (!chain_ || !chain_->request_body().entries) return Outcome::go_on;
    uint8_t heeded = HookEntry::narrowed;
    if (facts_->is_public) heeded |= HookEntry::not_public;
    return run_body(chain_->request_body(), incoming_, Hook::request_body, heeded, piece, part);
}

Outcome ChainRun::run_response_body(Piece& piece, BodyPart part) noexcept {
    if (!chain_ || !chain_->response_body().entries) return Outcome::go_on;
    return run_body(chain_->response_body(), outgoing_, Hook::response_body, HookEntry::narrowed,
                    piece, part);
}

void ChainRun::run_done(const ringtime_summary& summary) noexcept {
    if (!chain_ || !chain_->done().entries) return;
    uint32_t next = 0;
    cancel_pause(outgoing_);
    outgoing_.waiting = nullptr;
    (void)run_phase(chain_->done(), next, outgoing_, Hook::done, HookEntry::narrowed,
                    [&](const HookEntry& entry) {
                        as<DoneHook>(entry)(entry.self, &request_, &summary);
                        return RINGTIME_CONTINUE;
                    });
}

HookEntry ChainRun::route_entry(Plugin& plugin) const noexcept {
    const RouteHandler& handler = plugin.handlers()[match_->handler];
    HookEntry entry;
    entry.function = reinterpret_cast<void (*)()>(handler.function);
    entry.self = handler.user;
    entry.cores = plugin.cores();
    entry.mark = make_mark(plugin.number(), Hook::route);
    entry.slot = UINT8_MAX;
    for (size_t slot = 0; chain_ && slot < chain_->plugins().size(); ++slot) {
        if (chain_->plugins()[slot] == &plugin) entry.slot = static_cast<uint8_t>(slot);
    }
    return entry;
}

/// go_on: match_ is one of a handler.
Outcome ChainRun::find_route(Plugin& plugin) noexcept {
    if (matched_ == &plugin) return Outcome::go_on;
    if (plugin.down()) {
        reason_ = Reason::plugin_down;
        decided_by_ = &plugin;
        return Outcome::failed;
    }
    if (!plugin.routes()) return Outcome::passed;
    auto* match = facts_->arena->create<route::PatternMatch>(
        plugin.routes()->match(facts_->path, http::method_bit(facts_->head->method)));
    if (!match) {
        reason_ = Reason::internal;
        return Outcome::failed;
    }
    if (match->status == route::PatternMatch::Status::not_found) return Outcome::passed;
    if (match->status == route::PatternMatch::Status::method_not_allowed)
        return refuse_method(match->allow);
    match_ = match;
    matched_ = &plugin;
    return Outcome::go_on;
}

uint64_t ChainRun::route_body_bytes_max(Plugin& plugin) noexcept {
    // A path that only other methods have is refused by run_route(), with a match of its own.
    if (matched_ != &plugin && (plugin.down() || !plugin.gathers_for_routes())) return 0;
    if (find_route(plugin) != Outcome::go_on) return 0;
    return plugin.handlers()[match_->handler].body_bytes_max;
}

Outcome ChainRun::run_route(Plugin& plugin) noexcept {
    uint32_t next = 0;
    if (!incoming_.waiting) {
        Outcome found = find_route(plugin);
        if (found != Outcome::go_on) return found;
        route_ = route_entry(plugin);
    }
    Outcome outcome = run_phase(
        Phase{&route_, 1}, next, incoming_, Hook::route, 0,
        [&](const HookEntry& entry) { return as<RequestHook>(entry)(entry.self, &request_); });
    if (outcome != Outcome::go_on) return outcome;
    matched_ = nullptr;
    return Outcome::passed;
}

Outcome ChainRun::refuse_method(uint16_t allowed) noexcept {
    char text[128];
    size_t size = 0;
    for (unsigned i = 1; i <= static_cast<unsigned>(http::Method::trace); ++i) {
        std::string_view name = http::method_name(static_cast<http::Method>(i));
        if (!(allowed >> i & 1) || size + name.size() + 2 > sizeof text) continue;
        if (size) {
            text[size++] = ',';
            text[size++] = ' ';
        }
        std::memcpy(text + size, name.data(), name.size());
        size += name.size();
    }
    const ReasonInfo& why = describe(Reason::method_not_allowed);
    if (refuse({why.status, why.name, why.message, {to_slice("allow"), {text, size}}})) {
        chosen_ = &answer_;
        handed_over_ = true;
        return Outcome::answered;
    }
    reason_ = Reason::internal;
    return Outcome::failed;
}

}  // namespace ringtime::hook
