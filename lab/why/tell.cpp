#include "ticklab/lab/why/tell.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "ticklab/lab/operands.hpp"
#include "ticklab/lab/report.hpp"

namespace ticklab::lab {
namespace {

using sim::Duration;
using sim::OperandType;

/// How the subject of a frame is shown after its words.
enum class Subject : std::uint8_t { kNone, kName, kNumber, kHex };

struct FrameWords {
    std::string_view words;
    Subject subject;
};
/// In the order of FrameKind.
constexpr std::array<FrameWords, 13> kFrameWords{{{"thread", Subject::kName},
                                                  {"the idle thread", Subject::kNone},
                                                  {"idle in", Subject::kName},
                                                  {"user mode", Subject::kNone},
                                                  {"interrupt", Subject::kHex},
                                                  {"an NMI", Subject::kNone},
                                                  {"lock", Subject::kName},
                                                  {"polling", Subject::kNone},
                                                  {"held at", Subject::kName},
                                                  {"softirq", Subject::kNumber},
                                                  {"callback of", Subject::kName},
                                                  {"verb", Subject::kName},
                                                  {"off-line", Subject::kNone}}};
static_assert(kFrameWords.size() == static_cast<std::size_t>(FrameKind::kOffline) + 1);

}  // namespace

std::string tell_frame(const CpuFrame& frame, const sim::RecordStream& names) {
    const FrameWords& words = kFrameWords[static_cast<std::size_t>(frame.kind)];
    switch (words.subject) {
        case Subject::kNone:
            break;
        case Subject::kName:
            return fmt::format("{} {}", words.words, names.name(frame.what));
        case Subject::kNumber:
            return fmt::format("{} {}", words.words, frame.what);
        case Subject::kHex:
            return fmt::format("{} {:#x}", words.words, frame.what);
    }
    return std::string(words.words);
}

std::vector<ToldPart> tell_parts(const LatenessSplit& split, const sim::RecordStream& names) {
    struct Share {
        LatenessPart part;
        std::string who;
        Duration time;
    };
    std::vector<Share> shares;
    for (const LatenessPiece& piece : split.pieces) {
        // Before the arming, and while the kernel waits on purpose, it does not matter what the CPU does.
        const bool waits = piece.part <= LatenessPart::kLateAim || piece.part == LatenessPart::kNotKept;
        std::string who = waits ? fmt::format("CPU {}", piece.cpu)
                                : fmt::format("{} on CPU {}", tell_frame(piece.frame, names), piece.cpu);
        const auto known = std::find_if(shares.begin(), shares.end(),
                                        [&](const Share& s) { return s.part == piece.part && s.who == who; });
        if (known != shares.end())
            known->time += piece.to - piece.from;
        else
            shares.push_back({piece.part, std::move(who), piece.to - piece.from});
    }
    std::stable_sort(shares.begin(), shares.end(), [](const Share& a, const Share& b) { return a.time > b.time; });

    constexpr std::size_t kMostNamed = 3;
    std::vector<ToldPart> told;
    for (const auto& [part, time] : split.by_part()) {
        ToldPart& t = told.emplace_back(ToldPart{part, time, {}});
        std::size_t named = 0;
        std::size_t others = 0;
        for (const Share& share : shares) {
            if (share.part != part)
                continue;
            if (++named > kMostNamed) {
                ++others;
                continue;
            }
            t.who += (named == 1 ? "" : ", ") + share.who;
            if (share.time != time)
                t.who += " for " + brief(share.time);
        }
        if (others != 0)
            t.who += fmt::format(" and {} more", others);
    }
    return told;
}

nlohmann::ordered_json parts_json(const std::vector<ToldPart>& parts) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const ToldPart& p : parts)
        list.push_back(
            {{"part", info(p.part).word}, {"ps", p.time.count()}, {"sentence", info(p.part).sentence}, {"who", p.who}});
    return list;
}

std::string short_parts(const std::vector<ToldPart>& parts, std::size_t count) {
    std::string text;
    for (std::size_t i = 0; i < std::min(parts.size(), count); ++i)
        text += fmt::format("{}{} {}", i == 0 ? "" : ", ", info(parts[i].part).word, brief(parts[i].time));
    return text;
}

std::string tell_record(const KeptRecord& record, const sim::RecordStream& names) {
    // Behind a semicolon the sentence explains operands.
    std::string text(record.kind->help.substr(0, record.kind->help.find(';')));
    for (std::size_t i = 0; i < record.kind->operand_count; ++i) {
        const sim::Operand& operand = record.kind->operands[i];
        text += fmt::format("{} {} {}", i == 0 ? ":" : ",", operand.name,
                            operand_text(operand.type, record.operands[i], names));
    }
    return text;
}

std::string tell_place(const KeptRecord& record) {
    if (record.cpu != sim::kNoCpu)
        return fmt::format("CPU {}", record.cpu);
    return std::string(record.kind->category == "scenario" ? "script" : "device");
}

}  // namespace ticklab::lab
