import StrictJSON
import Testing

@Suite struct JSONNumberTests {
    @Test func integers_areExact() {
        #expect(JSONNumber("9223372036854775807")?.integer == .max)
        #expect(JSONNumber("-9223372036854775808")?.integer == .min)
        #expect(JSONNumber("9223372036854775808")?.integer == nil)
        #expect(JSONNumber("2.0")?.integer == nil)
        #expect(JSONNumber("1e3")?.integer == nil)
    }

    @Test func wholeValues_mayBeWrittenWithAFraction() {
        #expect(JSONNumber("9223372036854775807")?.wholeValue == .max)
        #expect(JSONNumber("9223372036854775808")?.wholeValue == nil)
        #expect(JSONNumber("2.0")?.wholeValue == 2)
        #expect(JSONNumber("-1e3")?.wholeValue == -1000)
        #expect(JSONNumber("2.5")?.wholeValue == nil)
        #expect(JSONNumber("1e30")?.wholeValue == nil)
        #expect(JSONNumber("1e999")?.wholeValue == nil)
    }

    @Test func doubles_areTheNearest() {
        #expect(JSONNumber("0.1")?.double == 0.1)
        #expect(JSONNumber("-0")?.double?.sign == .minus)
        #expect(JSONNumber("1000000000000000019884624838656")?.double == 1e30)
        #expect(JSONNumber("1e999")?.double == nil)
        #expect(JSONNumber("-1e999")?.double == nil)
        #expect(JSONNumber("1e-999")?.double == 0)
    }

    @Test(arguments: ["", " 1", "1 ", "+1", ".5", "1.", "0x1F", "nan", "NaN", "Infinity", "01", "1e", "--1", "１"])
    func otherNotations_areNoNumbers(literal: String) {
        #expect(JSONNumber(literal) == nil)
    }

    @Test func literals_stayAsWritten() {
        #expect(JSONNumber("1.50E+02")?.literal == "1.50E+02")
        #expect(JSONNumber(0.1).literal == "0.1")
        #expect(JSONNumber(UInt64.max).literal == "18446744073709551615")
    }
}
