// Answers as text and as JSON.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "ticklab/lab/report.hpp"
#include "ticklab/lab/why/explain.hpp"

namespace ticklab::lab {
namespace {

using Json = nlohmann::ordered_json;
using sim::Duration;

/// In tenths of a percent.
std::string share(Duration part, Duration whole) {
    const auto tenths = static_cast<std::int64_t>(sim::Int128{part.count()} * 1000 / whole.count());
    return fmt::format("{}.{} %", tenths / 10, tenths % 10);
}

template <class... Args>
void line(std::string& text, fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(text), format, std::forward<Args>(args)...);
    text += '\n';
}

void add_chain(std::string& text, const std::vector<ToldEvent>& chain) {
    std::size_t place_width = 0;
    for (const ToldEvent& e : chain)
        place_width = std::max(place_width, e.place.size());
    for (std::size_t i = 0; i < chain.size(); ++i) {
        const ToldEvent& e = chain[i];
        std::string because;
        if (e.because)
            because += fmt::format(", because of {}", *e.because + 1);
        if (e.behind)
            because += fmt::format(", behind {}", *e.behind + 1);
        line(text, "{:>4}  {:<17} {:<{}}  {}{}", i + 1, show(e.at), e.place, place_width, e.what, because);
    }
}

Json chain_json(const std::vector<ToldEvent>& chain) {
    const auto index = [](const std::optional<std::size_t>& i) { return i ? Json(*i) : Json(nullptr); };
    Json list = Json::array();
    for (const ToldEvent& e : chain)
        list.push_back({{"at_ps", sim::ps(e.at)},
                        {"place", e.place},
                        {"kind", e.kind},
                        {"what", e.what},
                        {"record", fmt::format("{:#x}", e.id.bits)},
                        {"because", index(e.because)},
                        {"behind", index(e.behind)}});
    return list;
}

}  // namespace

std::string text_of(const TimerWhy& why) {
    const Firing& f = why.firing;
    const Duration late = f.at - f.requested();
    std::string text;
    line(text, "timer {}, expiry {}, on CPU {}: late by {}", why.timer, why.nth, f.cpu, show(late));
    line(text, "  requested  {}", show(f.requested()));
    line(text, "  promised   by {}", show(f.not_after));
    line(text, "  started    {}", show(f.at));
    line(text, "");
    line(text, "where the time went");
    for (const ToldPart& p : why.parts) {
        line(text, "  {:<16} {:>14} {:>8}  {}", info(p.part).word, show(p.time), share(p.time, late),
             info(p.part).sentence);
        line(text, "{:43}{}", "", p.who);
    }
    if (why.parts.empty())
        line(text, "  nothing to explain");
    line(text, "");
    line(text, "how it came to run");
    add_chain(text, why.chain);
    return text;
}

std::string text_of(const WakeWhy& why) {
    std::string text;
    line(text, "CPU {} woke from {}: {}", why.cpu, why.c_state, why.reason);
    line(text, "  asleep  from {}, for {}", show(why.slept_at), show(why.awake_at - why.slept_at));
    line(text, "  awake   at {}, the exit latency included", show(why.awake_at));
    line(text, "");
    line(text, "how it came to wake");
    add_chain(text, why.chain);
    return text;
}

Json json_of(const TimerWhy& why) {
    const Firing& f = why.firing;
    Json pieces = Json::array();
    for (const ToldPiece& p : why.pieces)
        pieces.push_back({{"from_ps", sim::ps(p.from)},
                          {"to_ps", sim::ps(p.to)},
                          {"part", info(p.part).word},
                          {"cpu", p.cpu},
                          {"doing", p.doing}});
    return {{"timer", why.timer},
            {"nth", why.nth},
            {"cpu", f.cpu},
            {"requested_ps", sim::ps(f.requested())},
            {"promised_ps", sim::ps(f.not_after)},
            {"started_ps", sim::ps(f.at)},
            {"late_ps", (f.at - f.requested()).count()},
            {"parts", parts_json(why.parts)},
            {"pieces", std::move(pieces)},
            {"chain", chain_json(why.chain)}};
}

Json json_of(const WakeWhy& why) {
    return {{"cpu", why.cpu},
            {"c_state", why.c_state},
            {"reason", why.reason},
            {"asleep_ps", sim::ps(why.slept_at)},
            {"awake_ps", sim::ps(why.awake_at)},
            {"chain", chain_json(why.chain)}};
}

}  // namespace ticklab::lab
