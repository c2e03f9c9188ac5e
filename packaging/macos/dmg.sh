#!/bin/sh
# Makes dist/mlops-desk-VERSION-macos-ARCH.dmg of the app that PyInstaller made: sh packaging/macos/dmg.sh VERSION
# Signed where SIGNING_IDENTITY names a "Developer ID Application" identity, else for this machine alone; notarised where NOTARY_PROFILE names a
# profile that `xcrun notarytool store-credentials` has stored. Prepared, and not run on macOS yet.
set -eu

version=${1:?"usage: dmg.sh VERSION"}
checkout=$(cd "$(dirname "$0")/../.." && pwd)
app="$checkout/build/frozen/MLOps Desk.app"
image="$checkout/dist/mlops-desk-$version-macos-$(uname -m).dmg"
identity=${SIGNING_IDENTITY:--} # empty counts as none
entitlements="$checkout/packaging/macos/entitlements.plist"

[ -d "$app" ] || { echo "dmg.sh: there is no $app: run packaging/bootstrap.py package" >&2; exit 1; }
contents="$app/Contents"
for name in LICENSE NOTICE THIRD-PARTY-LICENCES.txt; do
    cp "$checkout/build/frozen/mlops-desk/$name" "$contents/Resources/$name"
done
for name in mlops-desk mlops-desk-python; do
    ln -sf mlops-desk-gui "$contents/MacOS/$name"
done

# From the inside out, as codesign demands: shared libraries first, the app last.
hardened="--options runtime --entitlements"
[ "$identity" = - ] && timestamp=--timestamp=none || timestamp=--timestamp
find "$contents" -type f \( -name '*.dylib' -o -name '*.so' \) -print0 |
    xargs -0 -n 50 codesign --force "$timestamp" --options runtime --sign "$identity"
# shellcheck disable=SC2086 # two words are meant
codesign --force "$timestamp" $hardened "$entitlements" --sign "$identity" "$app"
codesign --verify --deep --strict "$app"
"$contents/MacOS/mlops-desk" --self-test

staging=$(mktemp -d)
trap 'rm -rf "$staging"' EXIT
cp -R "$app" "$staging/"
ln -s /Applications "$staging/Applications"
rm -f "$image"
hdiutil create -volname "MLOps Desk" -srcfolder "$staging" -fs HFS+ -format ULMO "$image"
if [ "$identity" != - ]; then
    codesign --sign "$identity" "$timestamp" "$image"
fi
if [ -n "${NOTARY_PROFILE:-}" ]; then
    xcrun notarytool submit "$image" --keychain-profile "$NOTARY_PROFILE" --wait
    xcrun stapler staple "$image"
fi
echo "$image"
