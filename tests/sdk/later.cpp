// A module that keeps requests and answers them in the reverse order of their arrival.
#include <ringtime/worker.hpp>

#include <string>
#include <vector>
using namespace ringtime::worker;

struct Later {
    static constexpr unsigned concurrency = 4;
    std::vector<Responder> kept;
    int answered = 0;

    void fetch(Responder responder) {
        kept.push_back(std::move(responder));
        if (kept.size() < 4) return;
        while (!kept.empty()) {
            kept.back().answer(Response::text(std::to_string(answered++)));
            kept.pop_back();
        }
    }
};
RINGTIME_APP(Later)
