// The plugin of the load runs: answers every path below its base with one answer made at the start,
// the manifest's `body` or 100 bytes.
#include <ringtime/plugin.hpp>

#include <string>

class Answer {
 public:
    explicit Answer(ringtime::Context& context)
        : answer_(context.make_static(
              200, std::string(context.string("body", std::string(100, 'x'))),
              {{"content-type", "text/plain"}})),
          base_(ringtime::text(context.about().base)) {}

    ringtime::Verdict on_request(ringtime::Request& request) {
        bool ours = request.full_path().substr(0, base_.size()) == base_;
        return ours ? request.respond(answer_) : ringtime::Verdict::next;
    }

 private:
    ringtime::Static answer_;
    std::string base_;
};

RINGTIME_PLUGIN(Answer)
