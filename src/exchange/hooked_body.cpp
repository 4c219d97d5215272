#include "exchange/hooked_body.h"

namespace ringtime::exchange {

using hook::BodyPart;
using hook::Outcome;
using http::Pull;

void HookedBody::begin(hook::ChainRun& run, http::BodySource& inner, uint64_t length) noexcept {
    reset();
    run_ = &run;
    inner_ = &inner;
    length_ = length;
    error_ = {};
    part_ = BodyPart::more;
    state_ = State::flowing;
}

void HookedBody::reset() noexcept {
    if (state_ == State::at_hooks) piece_.release();
    piece_ = {};
    state_ = State::ended;
}

// False: there is nothing to show to the hooks, for the reason in `instead`.
bool HookedBody::fetch(uint32_t max, Pull& instead) noexcept {
    instead = inner_->pull(piece_, max);
    switch (instead) {
        case Pull::data: break;
        case Pull::end:
            piece_ = {};
            part_ = BodyPart::last;
            break;
        case Pull::pending: return false;
        case Pull::failed:
            state_ = State::failed;
            error_ = inner_->error();
            return false;
    }
    state_ = State::at_hooks;
    return true;
}

Pull HookedBody::pull(Piece& out, uint32_t max) noexcept {
    Pull instead = Pull::pending;
    while (state_ == State::flowing || state_ == State::at_hooks) {
        if (state_ == State::flowing && !fetch(max, instead)) return instead;
        Outcome outcome = way_ == Way::request ? run_->run_request_body(piece_, part_)
                                               : run_->run_response_body(piece_, part_);
        if (outcome == Outcome::paused) return Pull::pending;
        if (outcome == Outcome::failed) {
            piece_.release();
            state_ = State::failed;
            error_ = {run_->reason(), Source::plugin, Retry::no, 0, 0};
            break;
        }
        state_ = part_ == BodyPart::last ? State::ended : State::flowing;
        if (piece_.size > 0) {
            out = piece_;
            return Pull::data;
        }
        // A hook took all of it away.
        piece_.release();
    }
    return state_ == State::failed ? Pull::failed : Pull::end;
}

}  // namespace ringtime::exchange
