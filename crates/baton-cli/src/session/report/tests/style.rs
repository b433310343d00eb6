//! The colours can be told apart from what they stand on, in light and dark.

/// The colours of a theme by their names.
fn colours(css: &str) -> Vec<(&str, [u8; 3])> {
    let declarations = css.split([';', '{', '}']).filter_map(|declaration| {
        let (name, value) = declaration.trim().strip_prefix("--")?.split_once(": #")?;
        let part = |at: usize| u8::from_str_radix(value.get(at..at + 2)?, 16).ok();
        Some((name, [part(0)?, part(2)?, part(4)?]))
    });
    declarations.collect()
}

/// As WCAG 2 defines it.
fn luminance(colour: [u8; 3]) -> f64 {
    let linear = colour.map(|part| {
        let part = f64::from(part) / 255.0;
        if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    });
    0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
}

fn contrast(one: [u8; 3], other: [u8; 3]) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn contrast_is_that_of_wcag() {
    assert!((contrast([0; 3], [255; 3]) - 21.0).abs() < 1e-9);
    assert!((contrast([0x77; 3], [255; 3]) - 4.478).abs() < 1e-3);
}

#[test]
fn words_have_a_contrast_of_aa_on_whatever_they_stand_in_light_and_dark() {
    let css = include_str!("../page.css");
    let (light, rest) =
        css.split_once("@media screen and (prefers-color-scheme: dark)").expect("a dark theme");
    let (dark, _) = rest.split_once("\n}\n").expect("its end");
    for theme in [light, dark] {
        let colours = colours(theme);
        let colour = |name: &str| colours.iter().find(|(known, _)| *known == name).expect(name).1;
        for words in ["text", "soft", "good", "bad", "warn", "busy", "calm"] {
            let ratio = contrast(colour(words), colour("page"));
            assert!(ratio >= 4.5, "{words} on page: {ratio:.2}");
        }
        for words in ["text", "soft"] {
            for back in ["good-back", "bad-back", "warn-back", "busy-back", "card"] {
                let ratio = contrast(colour(words), colour(back));
                assert!(ratio >= 4.5, "{words} on {back}: {ratio:.2}");
            }
        }
        // Marks are no words: 3 is enough, on the band that they stand on.
        for mark in ["good", "bad", "warn", "busy", "calm"] {
            let ratio = contrast(colour(mark), colour("band"));
            assert!(ratio >= 3.0, "{mark} on band: {ratio:.2}");
        }
    }
}
