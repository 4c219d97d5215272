// The worker of the load runs: a tiny answer, or one that takes a while.
//     /            17 bytes of JSON; POST: the request's body
//     /count       how many bytes the body has
//     /burn/MS     computes for that long; /sleep/MS waits instead
#include <ringtime/worker.hpp>

#include <chrono>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>

using namespace ringtime::worker;

struct Bench {
    Response fetch(const Request& request) {
        std::string path(request.path());
        if (path.rfind("/burn/", 0) == 0) burn(atoi(path.c_str() + 6));
        if (path.rfind("/sleep/", 0) == 0)
            std::this_thread::sleep_for(std::chrono::milliseconds(atoi(path.c_str() + 7)));
        if (path == "/count") {
            uint64_t total = 0;
            for (std::string_view part; !(part = request.read()).empty();) total += part.size();
            return Response::text(std::to_string(total));
        }
        if (request.method() == "POST") return Response::text(request.text());
        return Response::json("{\"hello\":\"world\"}");
    }

 private:
    static void burn(int ms) {
        auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(ms);
        while (std::chrono::steady_clock::now() < end) continue;
    }
};

RINGTIME_APP(Bench)
